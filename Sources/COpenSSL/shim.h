// What Swift cannot see of OpenSSL: macros, and the digest functions that do not allocate.
#pragma once

// SHA256_Init and its kin are deprecated in favour of EVP, which allocates a context for every digest.
#define OPENSSL_SUPPRESS_DEPRECATED

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ocsp.h>
#include <openssl/params.h>
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

// MARK: AES-256-GCM, with a 12-byte nonce and a 16-byte tag

/// Writes `count` bytes of ciphertext and the tag to `out`. 1 = done.
static inline int fg_aes_gcm_seal(
    const uint8_t *key, const uint8_t *nonce, const uint8_t *context, size_t context_count, const uint8_t *plaintext,
    size_t count, uint8_t *out) {
    EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
    if (cipher == NULL) return 0;
    int n = 0;
    int ok = EVP_EncryptInit_ex(cipher, EVP_aes_256_gcm(), NULL, key, nonce) == 1 &&
             EVP_EncryptUpdate(cipher, NULL, &n, context, (int)context_count) == 1 &&
             EVP_EncryptUpdate(cipher, out, &n, plaintext, (int)count) == 1 &&
             EVP_EncryptFinal_ex(cipher, out + n, &n) == 1 &&
             EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_GCM_GET_TAG, 16, out + count) == 1;
    EVP_CIPHER_CTX_free(cipher);
    return ok;
}

/// Writes `count` bytes of plaintext to `out`; `ciphertext` is followed by the tag. 1 = done and authentic.
static inline int fg_aes_gcm_open(
    const uint8_t *key, const uint8_t *nonce, const uint8_t *context, size_t context_count, const uint8_t *ciphertext,
    size_t count, uint8_t *out) {
    EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
    if (cipher == NULL) return 0;
    int n = 0;
    int ok = EVP_DecryptInit_ex(cipher, EVP_aes_256_gcm(), NULL, key, nonce) == 1 &&
             EVP_DecryptUpdate(cipher, NULL, &n, context, (int)context_count) == 1 &&
             EVP_DecryptUpdate(cipher, out, &n, ciphertext, (int)count) == 1 &&
             EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_GCM_SET_TAG, 16, (void *)(ciphertext + count)) == 1 &&
             EVP_DecryptFinal_ex(cipher, out + n, &n) == 1;
    EVP_CIPHER_CTX_free(cipher);
    return ok;
}

// MARK: macros as functions

static inline int fg_ctx_set_minimum_version(SSL_CTX *context, int version) {
    return (int)SSL_CTX_set_min_proto_version(context, version);
}

static inline int fg_ctx_set_maximum_version(SSL_CTX *context, int version) {
    return (int)SSL_CTX_set_max_proto_version(context, version);
}

/// What every context of ours has: writes may be partial and repeated from elsewhere, idle sessions keep no buffers,
/// no renegotiation, no compression; and one recv takes all that has arrived, not each record's header and body apart.
static inline void fg_ctx_set_defaults(SSL_CTX *context) {
    SSL_CTX_set_mode(
        context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS |
                     SSL_MODE_AUTO_RETRY);
    SSL_CTX_set_options(
        context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_read_ahead(context, 1);
}

static inline void fg_ctx_set_session_cache_mode(SSL_CTX *context, long mode) {
    SSL_CTX_set_session_cache_mode(context, mode);
}

/// What a server's context has beside that: forward secrecy and authenticated encryption only, and curves that are
/// done in constant time. TLS 1.3 has no other suites; of them the cheapest goes first, as for TLS 1.2.
static inline int fg_ctx_set_server_ciphers(SSL_CTX *context) {
    SSL_CTX_set_options(context, SSL_OP_PRIORITIZE_CHACHA);
    return SSL_CTX_set_cipher_list(
               context, "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
                        "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305") == 1 &&
           SSL_CTX_set_ciphersuites(
               context, "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256") == 1 &&
           SSL_CTX_set1_groups_list(context, "X25519:P-256:P-384") == 1;
}

static inline int fg_set_server_name(SSL *ssl, const char *name) { return (int)SSL_set_tlsext_host_name(ssl, name); }

/// Empties the thread's queue of errors, which decides what SSL_get_error says. It is nearly always empty, and looking
/// costs less than emptying.
static inline void fg_forget_errors(void) {
    if (ERR_peek_error() != 0) ERR_clear_error();
}

/// The last failure's code, kept with the session because the error queue belongs to the thread.
static inline void fg_set_failure(SSL *ssl, unsigned long code) { SSL_set_ex_data(ssl, 0, (void *)code); }
static inline unsigned long fg_get_failure(const SSL *ssl) { return (unsigned long)SSL_get_ex_data(ssl, 0); }

static inline unsigned long fg_system_failure(int error) { return (unsigned long)ERR_SYSTEM_FLAG | (unsigned)error; }
static inline int fg_is_system_failure(unsigned long code) { return ERR_SYSTEM_ERROR(code); }
static inline int fg_failure_reason(unsigned long code) { return ERR_GET_REASON(code); }

// MARK: a BIO over recv and send
//
// OpenSSL's own socket BIO uses write(), which raises SIGPIPE when the peer is gone. The calls go past the C library's
// wrappers: those are cancellation points, which cost atomic operations in a process of several threads.

// Its data is the descriptor, and above it whether the last recv took all that had arrived.
#define FG_BIO_DRAINED ((intptr_t)1 << 32)

static int fg_bio_read(BIO *bio, char *out, int count) {
    BIO_clear_retry_flags(bio);
    intptr_t fd = (int)(intptr_t)BIO_get_data(bio);
    ssize_t n = syscall(SYS_recvfrom, (int)fd, out, (size_t)count, 0, NULL, NULL);
    BIO_set_data(bio, (void *)(n < count ? fd | FG_BIO_DRAINED : fd));
    if (n > 0) return (int)n;
    if (n == 0) {
        BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
        return 0;
    }
    if (errno == EAGAIN || errno == EINTR) BIO_set_retry_read(bio);
    return -1;
}

static int fg_bio_write(BIO *bio, const char *bytes, int count) {
    BIO_clear_retry_flags(bio);
    int fd = (int)(intptr_t)BIO_get_data(bio);
    ssize_t n = syscall(SYS_sendto, fd, bytes, (size_t)count, MSG_NOSIGNAL, NULL, 0);
    if (n >= 0) return (int)n;
    if (errno == EAGAIN || errno == EINTR) BIO_set_retry_write(bio);
    return -1;
}

static long fg_bio_control(BIO *bio, int command, long number, void *pointer) {
    (void)number;
    (void)pointer;
    switch (command) {
    case BIO_CTRL_FLUSH: return 1;
    case BIO_CTRL_EOF: return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0;
    default: return 0;
    }
}

/// Whether the last recv took all that had arrived, so that another would only say so.
static inline int fg_is_drained(const SSL *ssl) {
    return ((intptr_t)BIO_get_data(SSL_get_rbio(ssl)) & FG_BIO_DRAINED) != 0;
}

/// What an earlier read has seen of the socket says nothing about now: this one may be served without a recv.
static inline void fg_forget_drained(const SSL *ssl) {
    BIO *bio = SSL_get_rbio(ssl);
    intptr_t data = (intptr_t)BIO_get_data(bio);
    if (data & FG_BIO_DRAINED) BIO_set_data(bio, (void *)(data & ~FG_BIO_DRAINED));
}

static inline BIO_METHOD *fg_bio_method(void) {
    BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK | BIO_get_new_index(), "reactor socket");
    if (method == NULL) return NULL;
    BIO_meth_set_read(method, fg_bio_read);
    BIO_meth_set_write(method, fg_bio_write);
    BIO_meth_set_ctrl(method, fg_bio_control);
    return method;
}

/// Gives the session a BIO for the descriptor, which stays the caller's to close. 1 = done.
static inline int fg_set_socket(SSL *ssl, const BIO_METHOD *method, int fd) {
    BIO *bio = BIO_new(method);
    if (bio == NULL) return 0;
    BIO_set_data(bio, (void *)(intptr_t)fd);
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl, bio, bio);
    return 1;
}

// MARK: callbacks

/// Takes http/1.1 if the client offers it; a client that speaks only something else is refused (RFC 7301, 3.2).
static int fg_select_protocol(
    SSL *ssl, const unsigned char **out, unsigned char *out_count, const unsigned char *offered, unsigned offered_count,
    void *argument) {
    (void)ssl;
    (void)argument;
    static const unsigned char ours[] = "\x08http/1.1";
    int found = SSL_select_next_proto((unsigned char **)out, out_count, ours, 9, offered, offered_count);
    return found == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

static inline void fg_ctx_select_http1(SSL_CTX *context) {
    SSL_CTX_set_alpn_select_cb(context, fg_select_protocol, NULL);
}

/// An encrypted key must fail, not ask on the terminal.
static int fg_no_password(char *buffer, int size, int for_writing, void *argument) {
    (void)buffer;
    (void)size;
    (void)for_writing;
    (void)argument;
    return -1;
}

static inline void fg_ctx_refuse_passwords(SSL_CTX *context) {
    SSL_CTX_set_default_passwd_cb(context, fg_no_password);
}

// MARK: what a server's context knows

typedef int (*fg_name_callback)(SSL *, int *, void *);
typedef int (*fg_ticket_callback)(SSL *, unsigned char *, unsigned char *, EVP_CIPHER_CTX *, EVP_MAC_CTX *, int);

static inline void fg_ctx_set_name_callback(SSL_CTX *context, fg_name_callback callback) {
    SSL_CTX_set_tlsext_servername_callback(context, callback);
}

static inline void fg_ctx_set_ticket_callback(SSL_CTX *context, fg_ticket_callback callback) {
    SSL_CTX_set_tlsext_ticket_key_evp_cb(context, callback);
}

static inline int fg_context_data_index(CRYPTO_EX_free *release) {
    return CRYPTO_get_ex_new_index(CRYPTO_EX_INDEX_SSL_CTX, 0, NULL, NULL, NULL, release);
}

/// Readies both contexts for one ticket (RFC 5077, 4): AES-256-CBC with HMAC-SHA-256, 32 bytes of key each.
static inline int fg_ticket_ready(
    EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, const uint8_t *cipher_key, const uint8_t *mac_key,
    const unsigned char *iv, int encrypting) {
    OSSL_PARAM parameters[3];
    parameters[0] = OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, (void *)mac_key, 32);
    parameters[1] = OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)"SHA256", 0);
    parameters[2] = OSSL_PARAM_construct_end();
    return EVP_MAC_CTX_set_params(mac, parameters) == 1 &&
           EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), NULL, cipher_key, iv, encrypting) == 1;
}

/// The peer's certificate's subject as RFC 4514 writes it, not terminated; its length, 0 without one.
static inline size_t fg_peer_subject(const SSL *ssl, char *out, size_t count) {
    X509 *certificate = SSL_get0_peer_certificate(ssl);
    BIO *memory = certificate == NULL ? NULL : BIO_new(BIO_s_mem());
    if (memory == NULL) return 0;
    // Control characters, quotes and bytes outside ASCII come out escaped.
    int length = X509_NAME_print_ex(memory, X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253);
    char *text = NULL;
    long available = BIO_get_mem_data(memory, &text);
    size_t n = length > 0 && available > 0 ? (size_t)available : 0;
    if (n > count) n = count;
    if (n > 0) memcpy(out, text, n);
    BIO_free(memory);
    return n;
}

static inline int fg_san_count(const GENERAL_NAMES *names) { return sk_GENERAL_NAME_num(names); }

/// The DNS name at `index` and its length; NULL for another kind of name.
static inline const unsigned char *fg_san_dns(const GENERAL_NAMES *names, int index, int *length) {
    const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, index);
    if (name->type != GEN_DNS) return NULL;
    *length = ASN1_STRING_length(name->d.dNSName);
    return ASN1_STRING_get0_data(name->d.dNSName);
}


// MARK: stapled OCSP responses (RFC 6066, 8)

enum {
    FG_STAPLE_GOOD = 0,
    FG_STAPLE_MALFORMED = 1,   // no successful OCSP response in DER
    FG_STAPLE_ANOTHERS = 2,    // not about this certificate
    FG_STAPLE_NOT_GOOD = 3,    // the certificate is revoked, or unknown to its authority
};

/// Judges an OCSP response about the context's certificate. `*until` becomes the time (Unix, seconds) from which on it is
/// out of date; INT64_MAX if it does not say.
static inline int fg_judge_staple(SSL_CTX *context, const unsigned char *der, long count, int64_t *until) {
    X509 *certificate = SSL_CTX_get0_certificate(context);
    const unsigned char *cursor = der;
    OCSP_RESPONSE *response = d2i_OCSP_RESPONSE(NULL, &cursor, count);
    OCSP_BASICRESP *basic = NULL;
    int verdict = FG_STAPLE_MALFORMED;
    if (response != NULL && cursor == der + count && OCSP_response_status(response) == OCSP_RESPONSE_STATUS_SUCCESSFUL)
        basic = OCSP_response_get1_basic(response);
    if (basic != NULL && certificate != NULL) {
        verdict = FG_STAPLE_ANOTHERS;
        for (int i = 0; i < OCSP_resp_count(basic); i++) {
            OCSP_SINGLERESP *single = OCSP_resp_get0(basic, i);
            ASN1_INTEGER *serial = NULL;
            OCSP_id_get0_info(NULL, NULL, NULL, &serial, (OCSP_CERTID *)OCSP_SINGLERESP_get0_id(single));
            if (serial == NULL || ASN1_INTEGER_cmp(serial, X509_get0_serialNumber(certificate)) != 0) continue;
            ASN1_GENERALIZEDTIME *next = NULL;
            struct tm broken_down;
            verdict = OCSP_single_get0_status(single, NULL, NULL, NULL, &next) == V_OCSP_CERTSTATUS_GOOD
                          ? FG_STAPLE_GOOD
                          : FG_STAPLE_NOT_GOOD;
            *until = next != NULL && ASN1_TIME_to_tm(next, &broken_down) == 1 ? (int64_t)timegm(&broken_down) : INT64_MAX;
            break;
        }
    }
    OCSP_BASICRESP_free(basic);
    OCSP_RESPONSE_free(response);
    return verdict;
}

typedef int (*fg_status_callback)(SSL *, void *);

static inline void fg_ctx_set_status_callback(SSL_CTX *context, fg_status_callback callback) {
    SSL_CTX_set_tlsext_status_cb(context, callback);
}

/// Hands a copy of the response to the session, for the client that has asked for it. 1 = done.
static inline int fg_staple(SSL *ssl, const unsigned char *der, size_t count) {
    unsigned char *copy = OPENSSL_memdup(der, count);
    if (copy == NULL) return 0;
    if (SSL_set_tlsext_status_ocsp_resp(ssl, copy, (long)count) == 1) return 1;
    OPENSSL_free(copy);
    return 0;
}
