  FROM a
	LABEL a=1
    # comment
  ENV B=2
   LABEL b=$B
