FROM \
  --platform=linux/amd64 \
# comment
  fedora:42 \
  AS \
  build
LABEL a=1
