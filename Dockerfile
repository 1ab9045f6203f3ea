# The platform in a container: the Dagster web server with its daemon, and the command line.
#
#   docker build -t srft .
#   docker run --init -p 3000:3000 -v srft:/srft srft
#   docker run --rm -v srft:/srft -v "$PWD/runs:/runs:ro" srft ingest /runs
#
# EXTRAS="" leaves out torch, mini-swe-agent and swebench: enough for ingest, critics, masks, exports.
ARG BASE=python:3.11-slim-bookworm
FROM ${BASE}
ARG EXTRAS=[all]

RUN apt-get update -qq \
    && apt-get install -y -qq --no-install-recommends git libseccomp2 patch python3-venv \
    && rm -rf /var/lib/apt/lists/*

COPY pyproject.toml README.md LICENSE requirements.lock /build/
COPY srft_assets /build/srft_assets
COPY sql /build/sql
COPY recipes /build/recipes
COPY dagster_home/dagster.yaml /build/dagster_home/dagster.yaml
RUN python3 -m venv /opt/srft \
    && /opt/srft/bin/pip install --quiet --no-cache-dir --constraint /build/requirements.lock "/build${EXTRAS}" \
    && rm -rf /build \
    && useradd --create-home --uid 1000 srft \
    && install -d -o srft /srft

USER srft
ENV PATH=/opt/srft/bin:$PATH SRFT_HOME=/srft
VOLUME /srft
WORKDIR /home/srft
EXPOSE 3000
ENTRYPOINT ["srft"]
CMD ["dev", "--host", "0.0.0.0"]
