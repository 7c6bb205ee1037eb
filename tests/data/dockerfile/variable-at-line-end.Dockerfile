FROM a
ENV A=1
LABEL a=$A\
 b=$A\
c=2
