FROM golang:1.22 AS builder
LABEL stage=one only=builder
ENV V=1
RUN go build
FROM scratch
LABEL stage=two v=$V
COPY --from=builder /a /a
