/* page_style.c: style and script of the page. What it shows can be read without the script, which sorts
 * tables and enlarges pictures.
 *
 * The page allows this script alone, by its hash: base64 of the SHA-256 of what stands between <script> and
 * </script>, line ends included. tests/report fails where it is stale, and says what it must be.
 */
#include "report/page.h"

/* Rules go over several lines. NOLINTBEGIN(bugprone-suspicious-missing-comma) */
/* clang-format off */
const char *const kprep_page_style[] = {
    ":root{color-scheme:light dark;--paper:#fff;--ink:#14171a;--soft:#565e67;--rule:#d8dce0;"
    "--wash:#f3f5f7;--accent:#1b5e9e;--bars:#6f9fce;--band:#a9c6e3;--extent:#dce8f4;--mark:#9a3412}\n",
    "@media (prefers-color-scheme:dark){:root{--paper:#131619;--ink:#e6e8ea;--soft:#a6aeb7;"
    "--rule:#343b42;--wash:#1c2126;--accent:#82b7ee;--bars:#4f83b8;--band:#33587d;--extent:#21364b;"
    "--mark:#f4a37b}}\n",
    "*{box-sizing:border-box}\n",
    "html{-webkit-text-size-adjust:100%}\n",
    "body{margin:0 auto;max-width:78rem;padding:clamp(1rem,3vw,2.5rem);background:var(--paper);"
    "color:var(--ink);font:1rem/1.5 system-ui,-apple-system,\"Segoe UI\",Roboto,\"Liberation Sans\","
    "sans-serif;font-variant-numeric:tabular-nums lining-nums}\n",
    "h1{font-size:clamp(1.6rem,1.2rem + 1.8vw,2.4rem);line-height:1.15;font-weight:650;"
    "letter-spacing:-.015em;margin:0 0 .4rem;overflow-wrap:anywhere}\n",
    "h2{font-size:1.25rem;line-height:1.25;font-weight:650;margin:0 0 .75rem}\n",
    "h3{font-size:1rem;font-weight:650;margin:1.75rem 0 .5rem;overflow-wrap:anywhere}\n",
    "section>div>h3:first-of-type{margin-top:.75rem}\n",
    "p{margin:0 0 .9rem;max-width:42rem}\n",
    ".soft,figcaption span,caption,dt{color:var(--soft);font-weight:400}\n",
    ".lede{font-size:1.125rem}\n",
    ".notice{border-left:4px solid var(--mark);padding-left:.75rem}\n",
    "a{color:var(--accent);text-underline-offset:.15em}\n",
    "a:focus-visible,summary:focus-visible,button:focus-visible,.scroll:focus-visible{"
    "outline:3px solid var(--accent);outline-offset:2px}\n",
    ".skip{position:absolute;left:-100rem}\n",
    ".skip:focus{left:1rem;top:.5rem;background:var(--paper);padding:.5rem;z-index:1}\n",
    "nav ul{list-style:none;display:flex;flex-wrap:wrap;gap:.25rem 1.25rem;margin:1.25rem 0 0;"
    "padding:0}\n",
    "nav a{display:inline-block;padding:.15rem 0}\n",
    "section{border-top:1px solid var(--rule);padding:1.5rem 0 .5rem;margin-top:1.75rem}\n",
    "section>div{min-width:0}\n",
    ".facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(8rem,45%),1fr));"
    "gap:1rem 1.5rem;margin:1.25rem 0 0}\n",
    ".facts dd{margin:0;font-size:1.125rem;overflow-wrap:anywhere}\n",
    ".facts dt{font-size:.875rem}\n",
    ".facts code{font-size:.875rem}\n",
    "code,pre{font-family:ui-monospace,SFMono-Regular,Menlo,\"Liberation Mono\",monospace;"
    "font-size:.8125rem}\n",
    "pre{margin:0;padding:.75rem;background:var(--wash)}\n",
    ".sheet{list-style:none;margin:0 0 1.25rem;padding:0;display:grid;"
    "grid-template-columns:repeat(auto-fill,minmax(8rem,1fr));gap:1.1rem .9rem}\n",
    ".planes{grid-template-columns:repeat(auto-fill,minmax(min(100%,22rem),1fr))}\n",
    "figure{margin:0;min-width:0}\n",
    ".sheet img{display:block;width:100%;height:auto;background:var(--wash)}\n",
    ".sheet .thumb{height:8.5rem;object-fit:contain;object-position:left bottom;background:none}\n",
    ".sheet .thumb{image-rendering:pixelated}\n",
    ".sheet .spark{width:100%;height:auto;display:block}\n",
    "figcaption{font-size:.875rem;line-height:1.35;margin-top:.35rem;overflow-wrap:anywhere}\n",
    "figcaption b{font-weight:650;display:block}\n",
    "figcaption span{font-size:.8125rem}\n",
    ".multiples{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,16.5rem),1fr));"
    "gap:1.5rem 2rem;align-items:start;margin-bottom:1.5rem}\n",
    ".multiples figcaption b{display:inline}\n",
    ".wide{max-width:52rem;margin-bottom:1.5rem}\n",
    ".wide figcaption b{display:inline}\n",
    "svg{display:block;width:100%;height:auto;overflow:visible}\n",
    "svg text{font-size:13px;fill:var(--ink)}\n",
    ".histogram{max-width:24rem}\n",
    ".profile text{font-size:12px}\n",
    ".bars{fill:var(--bars)}\n",
    ".axis{stroke:var(--soft);fill:none}\n",
    ".mean{stroke:var(--ink);stroke-width:1.25;fill:none}\n",
    ".std{stroke:var(--ink);stroke-width:3;fill:none}\n",
    ".range{stroke:var(--mark);stroke-width:1.5;fill:none}\n",
    "svg .of-range{fill:var(--mark)}\n",
    ".extent{fill:var(--extent)}\n",
    ".deviation{fill:var(--band)}\n",
    ".line{fill:none;stroke:var(--accent);stroke-width:1.25}\n",
    ".stem{stroke:var(--soft)}\n",
    ".dot{fill:var(--accent)}\n",
    ".scroll{overflow-x:auto;margin-bottom:1.25rem}\n",
    "table{border-collapse:collapse;font-size:.9375rem;line-height:1.35}\n",
    "caption{text-align:left;padding:0 0 .4rem;overflow-wrap:anywhere}\n",
    "caption b{color:var(--ink);font-weight:650}\n",
    "th,td{padding:.3rem 1.1rem .3rem 0;text-align:right;vertical-align:baseline;"
    "border-bottom:1px solid var(--rule);white-space:nowrap}\n",
    "th{font-weight:400}\n",
    "thead th{font-size:.875rem;color:var(--soft);vertical-align:bottom}\n",
    "th:first-child,.text,#rejected .sort td,#rejected .sort th,.left td,.left th{text-align:left}\n",
    "#way td:last-child,#rejected td:last-child{padding-right:0}\n",
    ".text,.options{white-space:normal;min-width:16rem;overflow-wrap:anywhere}\n",
    "tbody th{overflow-wrap:anywhere}\n",
    "#rejected .sort tbody th{white-space:normal;min-width:9rem}\n",
    ".classes{width:100%;max-width:34rem}\n",
    ".classes th{white-space:normal}\n",
    ".classes tbody th{min-width:5.5rem}\n",
    ".classes td,.classes th{padding-right:.75rem}\n",
    ".classes .bar{width:38%;padding-right:0}\n",
    ".bar svg{height:.8rem;width:100%}\n",
    ".classes tbody td,.classes tbody th{border-bottom:0;padding-top:.12rem;padding-bottom:.12rem}\n",
    "details{margin:0 0 1rem}\n",
    "summary{cursor:pointer;padding:.35rem 0;color:var(--accent)}\n",
    "button{font:inherit;color:inherit;background:none;border:0;padding:0;cursor:pointer;"
    "text-align:inherit}\n",
    "th button{text-decoration:underline dotted;text-underline-offset:.2em}\n",
    "th[aria-sort=ascending] button::after{content:\" \\2191\"}\n",
    "th[aria-sort=descending] button::after{content:\" \\2193\"}\n",
    ".zoom{display:block;width:100%;cursor:zoom-in}\n",
    ".zoomed{grid-column:1/-1}\n",
    ".zoomed .zoom{cursor:zoom-out}\n",
    ".zoomed .thumb{height:min(70vh,34rem)}\n",
    "footer{border-top:1px solid var(--rule);margin-top:2rem;padding-top:1rem;font-size:.875rem;"
    "color:var(--soft)}\n",
    "@media (min-width:64rem){section{display:grid;grid-template-columns:11rem minmax(0,1fr);"
    "gap:0 2rem}h2{line-height:1.5rem}}\n",
    "@media (max-width:30rem){.sheet{grid-template-columns:repeat(2,minmax(0,1fr))}.planes{"
    "grid-template-columns:minmax(0,1fr)}.sheet .thumb{height:auto}th,td{padding-right:.8rem}}\n",
    "@media print{:root{color-scheme:light;--paper:#fff;--ink:#000;--soft:#444;--rule:#bbb;"
    "--wash:#fff;--accent:#1b5e9e;--bars:#6f9fce;--band:#a9c6e3;--extent:#dce8f4;--mark:#9a3412}"
    "@page{margin:15mm}html{font-size:9.5pt}body{padding:0;max-width:none}*{print-color-adjust:exact;"
    "-webkit-print-color-adjust:exact}nav,.skip{display:none}section{display:block;margin-top:1rem;"
    "padding-top:1rem}h2,h3,caption,thead{break-after:avoid}figure,tr,.facts div{break-inside:avoid}"
    ".scroll{overflow:visible}.sheet{grid-template-columns:repeat(6,1fr)}.planes{"
    "grid-template-columns:repeat(2,1fr)}.sheet .thumb{height:auto}#rejected tbody th,"
    "#files tbody th{white-space:normal;overflow-wrap:anywhere}.text,.options{min-width:8rem}}\n",
    NULL};

const char *const kprep_page_script[] = {
    "(function () {\n",
    "  \"use strict\";\n",
    "  function value(cell) {\n",
    "    var v = cell.dataset.value;\n",
    "    return v === undefined ? cell.textContent.trim().toLowerCase() : Number(v);\n",
    "  }\n",
    "  document.querySelectorAll(\"table.sort\").forEach(function (table) {\n",
    "    table.querySelectorAll(\"thead th\").forEach(function (th) {\n",
    "      var button = document.createElement(\"button\");\n",
    "      button.type = \"button\";\n",
    "      button.append(...th.childNodes);\n",
    "      th.append(button);\n",
    "      button.addEventListener(\"click\", function () {\n",
    "        var up = th.getAttribute(\"aria-sort\") !== \"ascending\", i = th.cellIndex, body = table.tBodies[0];\n",
    "        th.parentNode.querySelectorAll(\"th\").forEach(function (o) { o.removeAttribute(\"aria-sort\"); });\n",
    "        th.setAttribute(\"aria-sort\", up ? \"ascending\" : \"descending\");\n",
    "        Array.from(body.rows).sort(function (a, b) {\n",
    "          var x = a.cells[i] ? value(a.cells[i]) : \"\", y = b.cells[i] ? value(b.cells[i]) : \"\";\n",
    "          return (x < y ? -1 : x > y ? 1 : 0) * (up ? 1 : -1);\n",
    "        }).forEach(function (row) { body.append(row); });\n",
    "      });\n",
    "    });\n",
    "  });\n",
    "  document.querySelectorAll(\".sheet img\").forEach(function (img) {\n",
    "    var button = document.createElement(\"button\"), item = img.closest(\"li\");\n",
    "    button.type = \"button\";\n",
    "    button.className = \"zoom\";\n",
    "    button.setAttribute(\"aria-expanded\", \"false\");\n",
    "    img.replaceWith(button);\n",
    "    button.append(img);\n",
    "    button.addEventListener(\"click\", function () {\n",
    "      var on = item.classList.toggle(\"zoomed\");\n",
    "      button.setAttribute(\"aria-expanded\", String(on));\n",
    "    });\n",
    "  });\n",
    "})();\n",
    NULL};
/* NOLINTEND(bugprone-suspicious-missing-comma) */
/* clang-format on */

const char *const kprep_page_script_hash = "sha256-wq1XzfBs/YJGJf7sbw5nV5xOA8LF9RrmTgL2u4twSyM=";
