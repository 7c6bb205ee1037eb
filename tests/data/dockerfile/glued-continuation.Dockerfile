FROM fed\
ora:40
LABEL na\
me=va\
  lue=x
LABEL\
 a=b
