FROM a
LABEL a=1 \
# a comment
      b=2 \
      # another \
      c=3
LABEL d=4
