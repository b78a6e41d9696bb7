// The dashboard's files, put into the binary when it is built. Pages appear in the menu in the order of this list.

#include "CDashboard.h"

// `#embed` is C23's; this compiler takes it in C11 too, and notes the files as what the build depends on.
#pragma clang diagnostic ignored "-Wc23-extensions"

static const struct fg_asset assets[] = {
#define ASSET "app.css"
#include "web/asset.h"
#define ASSET "icon.svg"
#include "web/asset.h"
#define ASSET "theme.js"
#include "web/asset.h"
#define ASSET "main.js"
#include "web/asset.h"
#define ASSET "api.js"
#include "web/asset.h"
#define ASSET "chart.js"
#include "web/asset.h"
#define ASSET "dialog.js"
#include "web/asset.h"
#define ASSET "dom.js"
#include "web/asset.h"
#define ASSET "form.js"
#include "web/asset.h"
#define ASSET "format.js"
#include "web/asset.h"
#define ASSET "i18n.js"
#include "web/asset.h"
#define ASSET "icons.js"
#include "web/asset.h"
#define ASSET "router.js"
#include "web/asset.h"
#define ASSET "shell.js"
#include "web/asset.h"
#define ASSET "signin.js"
#include "web/asset.h"
#define ASSET "table.js"
#include "web/asset.h"

#define ASSET "pages/overview.js"
#include "web/asset.h"
#define ASSET "pages/keys.js"
#include "web/asset.h"
#define ASSET "pages/routes.js"
#include "web/asset.h"
#define ASSET "pages/logs.js"
#include "web/asset.h"
#define ASSET "pages/reports.js"
#include "web/asset.h"
#define ASSET "pages/settings.js"
#include "web/asset.h"

// Parts of pages.
#define ASSET "parts/log-detail.js"
#include "web/asset.h"
#define ASSET "parts/log-filters.js"
#include "web/asset.h"
#define ASSET "parts/route-form.js"
#include "web/asset.h"
#define ASSET "parts/route-match.js"
#include "web/asset.h"
};

size_t fg_asset_count(void) { return sizeof assets / sizeof *assets; }

struct fg_asset fg_asset_at(size_t index) { return assets[index]; }
