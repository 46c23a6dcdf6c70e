# OpsWatch as an image: docs/docker.md. What runs is in the last stage; the others only make it.

# The front-end libraries, by lock file, as `make install` takes them.
FROM node:20-slim AS assets
WORKDIR /build
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund \
    && mkdir vendor \
    && cp node_modules/uplot/dist/uPlot.iife.min.js node_modules/uplot/dist/uPlot.min.css vendor/ \
    && cp node_modules/uplot/LICENSE vendor/uPlot.LICENSE

# An environment of its own: what is pinned first, since it changes seldom, then OpsWatch itself.
FROM python:3.11-slim AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /build
RUN python -m venv /opt/opswatch
COPY requirements.txt ./
RUN /opt/opswatch/bin/python -m pip install --require-hashes -r requirements.txt
COPY pyproject.toml README.md LICENSE ./
COPY alerting alerting
COPY api api
COPY collector collector
COPY dashboards dashboards
COPY embedded embedded
COPY influx influx
COPY infrastructure infrastructure
COPY opswatch opswatch
COPY telemetry telemetry
COPY --from=assets /build/vendor dashboards/static/vendor
RUN /opt/opswatch/bin/python -m pip install --no-deps --no-build-isolation . \
    && /opt/opswatch/bin/python -m compileall -q /opt/opswatch/lib

FROM python:3.11-slim
LABEL org.opencontainers.image.title="OpsWatch" \
      org.opencontainers.image.description="Monitoring for a small operations team, in one program" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN useradd --system --uid 10001 --no-create-home --home-dir /var/lib/opswatch --shell /usr/sbin/nologin opswatch \
    && install --directory --owner=opswatch --group=opswatch --mode=0700 /var/lib/opswatch
COPY --from=build /opt/opswatch /opt/opswatch
ENV PATH=/opt/opswatch/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    MPLCONFIGDIR=/tmp/matplotlib \
    OPSWATCH_DATA_DIR=/var/lib/opswatch \
    OPSWATCH_LISTEN=0.0.0.0:8321
USER 10001
WORKDIR /var/lib/opswatch
VOLUME /var/lib/opswatch
EXPOSE 8321
STOPSIGNAL SIGTERM
# Whether it answers. Whether its store is there is another question (/ready), to which a restart is no answer.
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8321/health', timeout=4)"]
ENTRYPOINT ["opswatch"]
CMD ["run"]
