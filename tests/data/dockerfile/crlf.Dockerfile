FROM a AS b
LABEL a=1 \
  b="2 3"

ENV c=d
LABEL e=$c
