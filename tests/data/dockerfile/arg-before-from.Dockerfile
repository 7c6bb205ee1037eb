ARG TAG=40
ARG REGISTRY="registry.fedoraproject.org"
FROM ${REGISTRY}/fedora:$TAG
LABEL seen=$TAG
ARG TAG
LABEL then=$TAG
