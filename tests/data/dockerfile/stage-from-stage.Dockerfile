FROM fedora:40 AS base
LABEL a=base
FROM base AS more
LABEL b=more
FROM more
LABEL c=last
