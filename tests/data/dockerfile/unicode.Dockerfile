FROM é/日本:1
ENV ÄÖ=ü
LABEL name="日本 語" emoji=😀 x=$ÄÖ y="„$ÄÖ“"
