// Package hostile throws at a whole worker what a hostile or broken world may: ten thousand malformed messages,
// decompression bombs, and servers that are wrong, closed, silent, read-only or full. The worker must serve on, every
// message must be settled, every task whose id is known must end, and every fault must be said in one line that tells
// what to do and holds no secret.
package hostile
