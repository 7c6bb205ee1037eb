FROM a
LABEL a="b c=d
LABEL e='f \
 g=h
LABEL i=j
