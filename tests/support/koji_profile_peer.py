"""Reads Koji profiles with Koji's own client library.

Usage: HOME=FOLDER koji_profile_peer.py PROFILE...

Standard output is one JSON object: profile -> {"error": TEXT} or the dictionary that `koji.read_config` gives.
"""

import configparser
import json
import sys

import koji


def read(profile):
    try:
        return koji.read_config(profile)
    except (koji.ConfigurationError, configparser.Error, ValueError) as error:
        return {"error": str(error)}


json.dump({profile: read(profile) for profile in sys.argv[1:]}, sys.stdout)
