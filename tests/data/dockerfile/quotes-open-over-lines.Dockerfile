FROM a
LABEL a="one \
   two" b='three \
 four'
