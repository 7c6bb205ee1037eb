ARG V=global
FROM a
ARG V=stage
ARG W=$V
LABEL v=$V w=$W
