FROM --platform=${BUILDPLATFORM:-linux/amd64} fedora AS b
FROM b
