FROM a
LABEL "my name" value of it
LABEL other "quoted value"  
