ARG V=global
FROM a
ARG V=local
ENV V=env
LABEL v=$V
ARG V=again
LABEL w=$V
