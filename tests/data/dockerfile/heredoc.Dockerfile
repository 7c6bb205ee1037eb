FROM a
LABEL before=1
RUN <<EOF
set -e
LABEL inside=2
EOF
COPY <<"X" /f
ENV here=3
X
LABEL here=$here
