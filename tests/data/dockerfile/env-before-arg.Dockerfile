FROM a
ARG X=arg
ENV X=env
LABEL x=$X
ARG X=again
LABEL y=$X
