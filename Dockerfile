# docker build -t dragon-mcp-gateway .
# docker run --init -p 127.0.0.1:8081:8081 -p 127.0.0.1:8080:8080 -p 127.0.0.1:8558:8558 \
#   -v dragon:/data -e DRAGON_ALLOW_UNAUTHENTICATED=true dragon-mcp-gateway
#
# Inside a container the ports have to be open to the outside of it, which the gateway refuses until it is told that
# something in front decides who gets through: here, that the ports are published on loopback only.

FROM node:24-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# Without install scripts: they would bring the Node and the PostgreSQL that a checkout is developed with.
RUN npm ci --ignore-scripts
COPY . .
RUN npm run build && npm prune --omit=dev --ignore-scripts

FROM node:24-slim
ENV NODE_ENV=production \
    DRAGON_HOST=0.0.0.0 \
    DRAGON_DATA_DIR=/data \
    DRAGON_LOG_FORMAT=json
WORKDIR /app
COPY --from=build /app/package.json /app/LICENSE ./
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/bin ./bin
COPY --from=build /app/drizzle ./drizzle
COPY --from=build /app/dist ./dist
RUN mkdir /data && chown node:node /data
USER node
VOLUME /data
EXPOSE 8080 8081 8558
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.DRAGON_MANAGEMENT_PORT || 8558}/ready`).then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
# Exec form, so that the signal that stops the container reaches the gateway itself.
CMD ["node", "bin/dragon.mjs", "serve"]
