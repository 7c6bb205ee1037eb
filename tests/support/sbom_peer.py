"""Checks a CycloneDX 1.6 document on standard input against its schema. Prints what is wrong, and then exits with 1."""

import sys

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

problem = JsonStrictValidator(SchemaVersion.V1_6).validate_str(sys.stdin.read())
if problem is not None:
    sys.exit(print(problem) or 1)
