FROM a
ENV a=1 b=$a
ENV b=$a c=$b
ENV c=$a$b
LABEL a=$a b=$b c=$c
