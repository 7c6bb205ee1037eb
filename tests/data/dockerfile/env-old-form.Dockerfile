FROM a
ENV NAME some value  with = blanks
LABEL com.redhat.component $NAME
LABEL empty
LABEL "a key" 'single $NAME'
