FROM a
LABEL a= b="" c='' d\
=
LABEL release
