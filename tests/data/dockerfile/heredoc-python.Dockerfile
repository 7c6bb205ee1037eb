FROM a
LABEL before=1
RUN python3 <<EOF
from os import path
print(path)
EOF
LABEL after=2
