FROM a
LABEL a=1 \
# the end
