#include "codec/exif.h"

#include <stdbool.h>
#include <string.h>

enum { ORIENTATION = 0x0112, TYPE_SHORT = 3, TYPE_LONG = 4, ENTRY_SIZE = 12 };

static uint32_t read_u16(const uint8_t *at, bool big)
{
    return big ? (uint32_t)at[0] << 8 | at[1] : (uint32_t)at[1] << 8 | at[0];
}

static uint32_t read_u32(const uint8_t *at, bool big)
{
    uint32_t first = read_u16(at, big), second = read_u16(at + 2, big);
    return big ? first << 16 | second : second << 16 | first;
}

/* TIFF 6.0, section 2: byte order, 42, offset of the first directory; there a count of entries of tag,
 * type, count and value. A value of up to four bytes stands in the entry, left-justified. */
uint8_t kprep_exif_orientation(const uint8_t *data, size_t size)
{
    if (size < 8) return 1;
    bool big = memcmp(data, "MM\0*", 4) == 0;
    if (!big && memcmp(data, "II*\0", 4) != 0) return 1;
    size_t at = read_u32(data + 4, big);
    if (at > size - 2) return 1;
    size_t entries = read_u16(data + at, big);
    at += 2;
    for (size_t i = 0; i < entries && size - at >= ENTRY_SIZE; i++, at += ENTRY_SIZE) {
        if (read_u16(data + at, big) != ORIENTATION) continue;
        uint32_t type = read_u16(data + at + 2, big);
        uint32_t value = type == TYPE_SHORT  ? read_u16(data + at + 8, big)
                         : type == TYPE_LONG ? read_u32(data + at + 8, big)
                                             : 0;
        return value >= 1 && value <= 8 ? (uint8_t)value : 1;
    }
    return 1;
}

/* A transposition first, where there is one; then 2, 6 and 7 are mirrored, 4, 7 and 8 upended, 3 both. */
void kprep_exif_turn(uint8_t orientation, kprep_view *view)
{
    static const int32_t turn[] = {1, 0, 2};
    const uint8_t o = orientation;
    if (o >= 5) kprep_view_permute(view, turn);
    if (o == 3 || o == 4 || o == 7 || o == 8)
        kprep_view_slice(view, 0, view->shape[0] - 1, view->shape[0], -1);
    if (o == 2 || o == 3 || o == 6 || o == 7)
        kprep_view_slice(view, 1, view->shape[1] - 1, view->shape[1], -1);
}
