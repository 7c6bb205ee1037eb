from a as b
env X=1
label x=$X
arg Y=2
Label y=$Y
