#!/bin/sh
# What the Dockerfile does, without Docker, in a clean folder: sh without-docker.sh FOLDER [PACKAGE]
# Its lines are read from there, so that the two cannot part. PACKAGE: another version, or an archive made by npm pack.
set -eu
dockerfile=$(cd "$(dirname "$0")" && pwd)/Dockerfile
folder=$1
package=${2:-fastify-wechat-pay}
mkdir -p "$folder/emulator" "$folder/data"
cd "$folder/emulator"
sed -n "s|^RUN \(npm .*\)|\1|p" "$dockerfile" | sed "s| fastify-wechat-pay | $package |; s|/tmp/npm-cache|$folder/npm-cache|g" | sh -e >&2
# What is set already is left as it is, as with docker run --env.
for setting in $(sed -n "s|^ENV ||p" "$dockerfile" | sed "s|/data|$folder/data|"); do
  eval "isset=\${${setting%%=*}+yes}"
  [ "$isset" = yes ] || export "${setting?}"
done
# shellcheck disable=SC2046
words() { sed -n "s|^$1.*\[\(.*\)\]|\1|p" "$dockerfile" | tr -d '",'; }
exec $(words CMD)
