// net_echo.js - echo on Node's net, TCP only.
//
//   node net_echo.js PORT
//
// `pipe` is what the manual shows: it stops reading while the peer does not.
// Without limits, timeouts or counters. Prints "listening 127.0.0.1:PORT".
'use strict';
const net = require('node:net');

const server = net.createServer({ noDelay: true }, (peer) => {
  peer.on('error', () => {}); // a peer that resets is no affair of a bare server
  peer.pipe(peer);
});

server.listen({ host: '127.0.0.1', port: Number(process.argv[2]), backlog: 4096 }, () => {
  console.log(`listening 127.0.0.1:${server.address().port}`);
});
