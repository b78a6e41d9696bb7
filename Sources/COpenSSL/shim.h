// What Swift cannot see of OpenSSL: macros, and the digest functions that do not allocate.
#pragma once

// SHA256_Init and its kin are deprecated in favour of EVP, which allocates a context for every digest.
#define OPENSSL_SUPPRESS_DEPRECATED

#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

static inline void fg_sha256(const void *bytes, size_t count, uint8_t *out) {
    SHA256_CTX context;
    SHA256_Init(&context);
    SHA256_Update(&context, bytes, count);
    SHA256_Final(out, &context);
}
