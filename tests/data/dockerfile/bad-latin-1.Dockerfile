FROM a
LABEL maintainer="Jörg"
