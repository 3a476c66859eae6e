package cli

const rssUnit = 1 // getrusage counts bytes
