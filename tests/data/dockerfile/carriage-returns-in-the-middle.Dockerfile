FROM a
LABEL a=1b=2
LABEL c=3 \
 d=4
