/* preview.c: small pictures on a terminal: half blocks, or the graphics of Kitty or DEC (Sixel). */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "cli.h"

enum { COLUMNS = 64, LINES = 20, CELL_WIDTH = 8, CELL_HEIGHT = 16, LEVELS = 6, BAND = 6 };

static bool is_set(const char *name)
{
    const char *value = getenv(name);
    return value != NULL && value[0] != '\0';
}

static bool has(const char *name, const char *part)
{
    const char *value = getenv(name);
    return value != NULL && strstr(value, part) != NULL;
}

/* ---- what the terminal can do ---- */

static bool is_utf8(void)
{
    const char *name = is_set("LC_ALL") ? "LC_ALL" : is_set("LC_CTYPE") ? "LC_CTYPE" : "LANG";
    return !is_set(name) || has(name, "UTF") || has(name, "utf");
}

static bool has_kitty(void)
{
    return !is_set("TMUX") && (is_set("KITTY_WINDOW_ID") || has("TERM", "kitty") ||
                               has("TERM", "ghostty") || has("TERM_PROGRAM", "WezTerm"));
}

/* What a terminal answers to "what are you?" (primary device attributes), as far as it comes in time. */
static size_t ask(char *answer, size_t size)
{
    struct termios before, raw;
    size_t n = 0;
    if (!isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, &before) != 0) return 0;
    raw = before;
    raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    if (tcsetattr(STDIN_FILENO, TCSANOW, &raw) != 0) return 0;
    fflush(stdout);
    if (write(STDOUT_FILENO, "\033[c", 3) == 3) {
        struct pollfd wait = {.fd = STDIN_FILENO, .events = POLLIN};
        while (n + 1 < size && poll(&wait, 1, 200) == 1 && read(STDIN_FILENO, answer + n, 1) == 1 &&
               answer[n++] != 'c') {
        }
    }
    tcsetattr(STDIN_FILENO, TCSANOW, &before);
    answer[n] = '\0';
    return n;
}

/* 4 among the attributes is Sixel. */
static bool has_sixel(void)
{
    char answer[128];
    const size_t n = ask(answer, sizeof answer);
    if (n < 4 || answer[n - 1] != 'c') return false;
    answer[n - 1] = ';';
    return strstr(answer, ";4;") != NULL;
}

bool cli_wants_preview(cli *c, int64_t files)
{
    const bool terminal = isatty(STDOUT_FILENO) && !has("TERM", "dumb");
    if (c->json || c->preview == CLI_PREVIEW_NEVER) return false;
    if (c->preview == CLI_PREVIEW_AUTO && (files != 1 || c->quiet || !terminal || !is_utf8()))
        return false;
    if (c->preview != CLI_PREVIEW_AUTO && c->preview != CLI_PREVIEW_ALWAYS) return true;
    const bool plain = !terminal || !cli_wants_color(c, stdout);
    c->preview = plain         ? CLI_PREVIEW_BLOCKS
                 : has_kitty() ? CLI_PREVIEW_KITTY
                 : has_sixel() ? CLI_PREVIEW_SIXEL
                               : CLI_PREVIEW_BLOCKS;
    return true;
}

/* ---- half blocks ---- */

static int grey(const uint8_t *rgb)
{
    return (rgb[0] * 299 + rgb[1] * 587 + rgb[2] * 114) / 1000;
}

static const uint8_t *pixel(const kprep_preview *p, int32_t y, int32_t x)
{
    return p->rgb + 3 * ((size_t)y * (size_t)p->width + (size_t)x);
}

/* Two rows of pixels in one line of text: the upper half of a cell in front, the lower one behind. */
static void draw_blocks(const kprep_preview *p)
{
    for (int32_t y = 0; y < p->height; y += 2) {
        printf("  ");
        for (int32_t x = 0; x < p->width; x++) {
            const uint8_t *up = pixel(p, y, x);
            printf("\033[38;2;%d;%d;%dm", up[0], up[1], up[2]);
            if (y + 1 < p->height) {
                const uint8_t *down = pixel(p, y + 1, x);
                printf("\033[48;2;%d;%d;%dm", down[0], down[1], down[2]);
            }
            printf("\u2580");
        }
        printf("\033[0m\n");
    }
}

/* The same without colors: five shades. */
static void draw_shades(const kprep_preview *p)
{
    static const char *const shades[] = {" ", "\u2591", "\u2592", "\u2593", "\u2588"};
    for (int32_t y = 0; y < p->height; y += 2) {
        printf("  ");
        for (int32_t x = 0; x < p->width; x++) {
            const int up = grey(pixel(p, y, x));
            const int down = y + 1 < p->height ? grey(pixel(p, y + 1, x)) : up;
            printf("%s", shades[(up + down) / 2 * 5 / 256]);
        }
        printf("\n");
    }
}

/* ---- Kitty ---- */

/* Base64 of n bytes; text has room for 4 characters for each 3 bytes and the NUL. */
static size_t base64(const uint8_t *bytes, size_t n, char *text)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t at = 0;
    for (size_t i = 0; i < n; i += 3) {
        const uint32_t more = i + 1 < n ? bytes[i + 1] : 0, last = i + 2 < n ? bytes[i + 2] : 0;
        const uint32_t three = (uint32_t)bytes[i] << 16 | more << 8 | last;
        text[at++] = digits[three >> 18];
        text[at++] = digits[three >> 12 & 63];
        text[at++] = i + 1 < n ? digits[three >> 6 & 63] : '=';
        text[at++] = i + 2 < n ? digits[three & 63] : '=';
    }
    text[at] = '\0';
    return at;
}

/* Pixels as they are, in chunks of at most 4096 characters, as the protocol wants them. */
static void draw_kitty(const kprep_preview *p)
{
    enum { CHUNK = 3072 };
    char text[CHUNK / 3 * 4 + 1];
    const size_t size = 3 * (size_t)p->width * (size_t)p->height;
    for (size_t at = 0; at < size; at += CHUNK) {
        const size_t n = size - at < CHUNK ? size - at : CHUNK;
        base64(p->rgb + at, n, text);
        printf("\033_G");
        if (at == 0) printf("a=T,f=24,s=%d,v=%d,", p->width, p->height);
        printf("m=%d;%s\033\\", at + n < size, text);
    }
    printf("\n");
}

/* ---- Sixel ---- */

static int colour_of(const uint8_t *rgb)
{
    int colour = 0;
    for (int i = 0; i < 3; i++) colour = colour * LEVELS + (rgb[i] * (LEVELS - 1) + 127) / 255;
    return colour;
}

/* A band of six rows in one color; nothing if it has none of it. */
static void draw_band(const kprep_preview *p, int32_t y, int colour)
{
    bool any = false;
    for (int32_t x = 0; x < p->width; x++)
        for (int i = 0; i < BAND && y + i < p->height; i++)
            any |= colour_of(pixel(p, y + i, x)) == colour;
    if (!any) return;
    printf("#%d", colour);
    for (int32_t x = 0; x < p->width; x++) {
        int bits = 0;
        for (int i = 0; i < BAND && y + i < p->height; i++)
            bits |= (colour_of(pixel(p, y + i, x)) == colour) << i;
        putchar(63 + bits);
    }
    putchar('$');
}

static void draw_sixel(const kprep_preview *p)
{
    enum { COLOURS = LEVELS * LEVELS * LEVELS, STEP = 100 / (LEVELS - 1) };
    printf("\033Pq\"1;1;%d;%d", p->width, p->height);
    for (int i = 0; i < COLOURS; i++)
        printf("#%d;2;%d;%d;%d", i, i / (LEVELS * LEVELS) * STEP, i / LEVELS % LEVELS * STEP,
               i % LEVELS * STEP);
    for (int32_t y = 0; y < p->height; y += BAND) {
        for (int i = 0; i < COLOURS; i++) draw_band(p, y, i);
        putchar('-');
    }
    printf("\033\\\n");
}

/* ---- all of it ---- */

/* A bar for each bin, against the fullest one; a bin that is not empty is seen. */
static void draw_histogram(const kprep_preview *p)
{
    static const char *const bars[] = {" ",      "\u2581", "\u2582", "\u2583", "\u2584",
                                       "\u2585", "\u2586", "\u2587", "\u2588"};
    int64_t most = 0;
    for (int i = 0; i < KPREP_PREVIEW_BINS; i++)
        if (p->bins[i] > most) most = p->bins[i];
    if (most == 0) return;
    printf("  %.4g \u2595", p->lo);
    for (int i = 0; i < KPREP_PREVIEW_BINS; i++) {
        const double part = (double)p->bins[i] / (double)most * 8;
        printf("%s", bars[p->bins[i] == 0 ? 0 : part <= 1 ? 1 : (int)(part + 0.5)]);
    }
    printf("\u258f %.4g\n", p->hi);
}

static int room(unsigned short given, int wanted)
{
    return given > 4 && given - 4 < wanted ? given - 4 : wanted;
}

void cli_draw_preview(const cli *c, const char *path)
{
    struct winsize window = {0};
    kprep_preview p;
    if (isatty(STDOUT_FILENO)) ioctl(STDOUT_FILENO, TIOCGWINSZ, &window);
    const int columns = room(window.ws_col, COLUMNS), lines = room(window.ws_row, LINES);
    const bool graphics = c->preview == CLI_PREVIEW_KITTY || c->preview == CLI_PREVIEW_SIXEL;
    const int width = graphics ? columns * CELL_WIDTH : columns;
    const int height = graphics ? lines * CELL_HEIGHT : lines * 2;
    if (kprep_preview_make(path, width, height, &p, NULL) != KPREP_OK) return;
    if (p.width > 0 && p.part[0] != '\0') printf("  %s:\n", p.part);
    if (p.width > 0 && c->preview == CLI_PREVIEW_KITTY)
        draw_kitty(&p);
    else if (p.width > 0 && c->preview == CLI_PREVIEW_SIXEL)
        draw_sixel(&p);
    else if (p.width > 0 && (is_set("NO_COLOR") && c->color != ALWAYS))
        draw_shades(&p);
    else if (p.width > 0)
        draw_blocks(&p);
    draw_histogram(&p);
    kprep_preview_free(&p);
}
