/* png.h: the two ways in which a PNG image is decoded. Both give the same bytes. */
#ifndef KPREP_CODEC_PNG_H
#define KPREP_CODEC_PNG_H

#include "codec/codec.h"

/* libpng's own bound on the memory of one ancillary chunk, which TensorFlow leaves as it is. */
enum { KPREP_PNG_CHUNK_BYTES = 8000000 };

/* Decodes a file in memory if it is of a common kind and has nothing unusual in it. False decides
 * nothing: libpng is to be asked then, for the image or for what is wrong. dst and work may have
 * been written to. */
bool kprep_png_fast(const kprep_bytes *bytes, const kprep_header *header, const kprep_decode *how,
                    void *dst, kprep_buffer *work);

/* Decodes any file with libpng; the arguments are those of kprep_codec.decode(). */
kprep_status kprep_png_libpng(const kprep_bytes *bytes, const kprep_header *header,
                              const kprep_decode *how, void *dst, kprep_buffer *work,
                              kprep_error *err);

#endif
