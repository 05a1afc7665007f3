// Leads connections to the hosts in OSCP_SIM_HOSTS to the proxy in HTTPS_PROXY, where Node itself
// does not know that variable.
"use strict";

if (process.env.OSCP_SIM_HOSTS && !process.allowedNodeEnvironmentFlags.has("--use-env-proxy")) {
  const { Socket } = require("node:net");
  const hosts = new Set(process.env.OSCP_SIM_HOSTS.split(","));
  const proxy = new URL(process.env.HTTPS_PROXY);
  const connect = Socket.prototype.connect;

  Socket.prototype.connect = function (...given) {
    const all = Array.isArray(given[0]) ? given[0] : given;
    if (hosts.has(String(all[0]?.host).toLowerCase())) {
      // A copy: by its own, TLS looks whether the certificate is for the host that was meant.
      all[0] = { ...all[0], host: proxy.hostname, port: Number(proxy.port) };
    }
    return connect.apply(this, given);
  };
}
