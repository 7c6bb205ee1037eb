FROM --platform=linux/arm64 fedora:40 AS b
FROM --PLATFORM=$X	scratch
LABEL a=b
