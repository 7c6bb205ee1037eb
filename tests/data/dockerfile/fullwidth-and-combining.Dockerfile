FROM a
ENV 名前=1 Ａ=2
LABEL a=$名前 b=$Ａ c=$²x
