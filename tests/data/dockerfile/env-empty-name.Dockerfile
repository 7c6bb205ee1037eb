FROM a
ENV =x
LABEL a=$ b=$. c=${}
