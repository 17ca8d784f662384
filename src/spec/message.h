/* message.h: error messages of other programs about shapes: how they are told and what they mean. */
#ifndef KPREP_SPEC_MESSAGE_H
#define KPREP_SPEC_MESSAGE_H

#include <kprep/explain.h>

/* What a message holds. */
typedef enum kprep_message_kind {
    KPREP_MESSAGE_TELLS,   /* two texts, or one, or none; `means` says all there is to say */
    KPREP_MESSAGE_BATCHES, /* two shapes with a sample axis */
    KPREP_MESSAGE_SAMPLES, /* two shapes of one sample */
    KPREP_MESSAGE_AXIS,    /* the axis, its size, and the shape of what came */
    KPREP_MESSAGE_RANK,    /* number of axes wanted, and the shape of what came */
    KPREP_MESSAGE_MATRIX,  /* rows of features, and the weights that they are multiplied by */
    KPREP_MESSAGE_TORCH,   /* "weight of size W, expected input S to have N channels" */
    KPREP_MESSAGE_INDICES, /* "index: I Got: G Expected: E", several of them */
    KPREP_MESSAGE_NUMBERS  /* number of axes wanted and found, or of channels; no shapes */
} kprep_message_kind;

/* A message is known by a text in it. What is expected and found stands behind two others, which are looked for
 * from there on, in the order in which they come; NULL: the message does not say. */
/* In the order that a row is read in. NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding) */
typedef struct kprep_message_row {
    const char *framework, *text;
    kprep_message_kind kind;
    const char *expected, *found;
    bool found_first;               /* in the text what is found comes before what is expected */
    const char *means, *help, *ask; /* NULL: as the shapes have it */
} kprep_message_row;

/* The end is a row without text. */
extern const kprep_message_row kprep_message_rows[];

#endif
