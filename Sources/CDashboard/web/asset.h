// Included once for each file, after `#define ASSET`: an entry of the list in CDashboard.c. It lies here because
// `#embed` looks beside the file that it stands in.
{ ASSET, (const unsigned char[]) {
#embed ASSET
}, sizeof((const unsigned char[]) {
#embed ASSET
}) },
#undef ASSET
