# The container images: everything that runs, on nothing else.
#   docker build -t resnet18classify .                          with the video decoders
#   docker build -t resnet18classify --target stills .          without: pictures, MJPEG and uncompressed video
# BASE is any Debian 12. What REBUILD does not name is Debian's own, larger: with ffmpeg and cairo alone, the image has some
# 10 MB more and is made in half the time.
ARG BASE=debian:bookworm-slim

FROM ${BASE} AS build
ARG REBUILD="gnutls ffmpeg glib gstreamer cairo freetype"
COPY image/packages /src/image/
RUN /src/image/packages
COPY image/rebuild /src/image/
RUN /src/image/rebuild /made/rebuilt ${REBUILD}
COPY . /src
RUN /src/image/build

FROM scratch AS settings
LABEL org.opencontainers.image.title="resnet18classify" \
  org.opencontainers.image.description="ResNet-18 image classification on the CPU: web service, command, GStreamer element" \
  org.opencontainers.image.version="0.1.0" \
  org.opencontainers.image.licenses="LGPL-2.1-or-later" \
  org.opencontainers.image.documentation="/usr/share/doc/resnet18classify"
ENV GST_REGISTRY=/var/cache/gstreamer/registry.bin GST_REGISTRY_UPDATE=no LC_ALL=C.UTF-8 HOME=/
USER 65532:65532
WORKDIR /data
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s CMD ["/usr/bin/resnet18-image", "health"]
ENTRYPOINT ["/usr/bin/resnet18-image"]
CMD ["server"]

FROM settings AS stills
COPY --from=build /made/stills/ /

# A camera to try the service with; see examples/deploy/compose.yaml.
FROM settings AS camera
COPY --from=build /made/root/ /made/camera/ /
# It has a plugin more, so the list of plugins is not the one that is baked.
ENV GST_REGISTRY=/tmp/registry.bin GST_REGISTRY_UPDATE=yes
HEALTHCHECK NONE
EXPOSE 8554
ENTRYPOINT ["/usr/bin/camera", "8554", "( multifilesrc location=/usr/share/camera/%d.jpg stop-index=2 loop=true caps=image/jpeg,framerate=1/3 ! jpegdec ! videoconvertscale ! video/x-raw,format=I420,width=640,height=480 ! videorate ! video/x-raw,framerate=10/1 ! jpegenc ! rtpjpegpay name=pay0 pt=26 )"]
CMD []

FROM settings AS image
COPY --from=build /made/root/ /
