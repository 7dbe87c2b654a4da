// Reads the feed, or a snapshot of it, with soupbintcp for Node, which knows nothing of Vesta: each message in hex, a
// line each, then how the session ended.
//
//     npm install soupbintcp
//     node read_feed.js HOST PORT FIRST COUNT
'use strict';

const soupbintcp = require('soupbintcp');

const [host, port, first, count] = process.argv.slice(2);
let left = Number(count);
const client = new soupbintcp.Client({ host, port: Number(port) }, () => {
  client.login({ username: 'reader', password: 'any', requestedSession: '', requestedSequenceNumber: Number(first) });
});

client.on('accept', (payload) => console.log(`accepted ${payload.session.trim()} ${payload.sequenceNumber}`));
client.on('reject', (payload) => {
  console.log(`rejected ${payload.rejectReasonCode}`);
  client.end();
});
client.on('message', (payload) => {
  if (left === 0)
    return;
  console.log(payload.toString('hex'));
  left -= 1;
  if (left === 0)
    client.logout(() => {});
});
client.on('ending', () => console.log('end of session'));
client.on('end', () => {
  console.log('closed');
  client.end();
});
client.on('error', (error) => {
  console.error(error.message);
  process.exit(1);
});
