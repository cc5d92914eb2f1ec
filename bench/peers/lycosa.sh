#!/bin/sh
# Runs lycosa as one crawler among others of a comparison: crawls every host of SEEDS (URLs, separated by blanks) with
# CONC requests in flight, writes url, title, h1, price and links of each page to ITEMS as JSON lines, and ends when all
# is crawled. With REDIS_URL through that Redis, else embedded. LYCOSA names the command (default: lycosa).
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cat > "$dir/bench.yaml" <<YAML
name: bench
start: [$(echo "$SEEDS" | tr -s ' \n' ',' | sed 's/^,//; s/,$//; s/,/, /g')]
settings: {concurrency: $CONC, per_host: $CONC}
routes:
  page:
    items:
      - kind: page
        fields:
          url: {css: 'link[rel="canonical"]', attr: href}
          title: title
          h1: h1
          price: .price
          links: {css: "a[href]", count: true}
    follow: [{css: "a[href]", route: page}]
YAML
"${LYCOSA:-lycosa}" crawl "$dir/bench.yaml" --dir "$dir" -o "$ITEMS" --quiet ${REDIS_URL:+--redis "$REDIS_URL"}
