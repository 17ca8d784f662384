/* serve.h: one sample at a time through the plan that a job's batches go through, for inference: what a model
 * is asked with is made by the code that made what it was trained on.
 */
#ifndef KPREP_SERVE_H
#define KPREP_SERVE_H

#include <kprep/array.h>
#include <kprep/job.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A job without its input: stages, spec, like, limits. Opaque. */
typedef struct kprep_server kprep_server;

/** Opens a job for single samples; its input is not looked at, nor its output, labels and order.
 *
 * @param array   which of the job's arrays, by its name; NULL where there is one.
 * @param server  set on success, NULL on failure; free with kprep_server_close(). The job must outlive it.
 * @return KPREP_OK; what kprep_spec_load() returns; KPREP_E_BAD_OPTION for a job whose samples are joined from
 *         several files; KPREP_E_ARGUMENT if there is no such array; KPREP_E_NO_MEMORY.
 */
KPREP_API kprep_status kprep_server_open(const kprep_job *job, const char *array,
                                         kprep_server **server, kprep_error *err);

/** Makes one sample of the bytes of a file: an image, or an .npy file that holds the sample.
 *
 * @param name      what messages call it; not NULL.
 * @param data      the file's bytes; borrowed for the call.
 * @param dst       receives the elements in C order, 64-byte aligned; NULL to ask for the shape alone, in which
 *                  case only the header is read.
 * @param dst_size  bytes at dst.
 * @param out       set to a view of dst with a sample axis of size 1 in front; may be NULL.
 * @return KPREP_OK; what reading the bytes comes to; a fit status (missing-axis ...) if the sample does not
 *         fit the spec; KPREP_E_ARGUMENT if dst_size is too small (err->expected says how much is needed).
 *         Any number of threads at once.
 */
KPREP_API kprep_status kprep_serve(const kprep_server *server, const char *name, const void *data,
                                   size_t size, void *dst, size_t dst_size, kprep_array *out,
                                   kprep_error *err);

/** Frees a server and sets the pointer to NULL. NULL and a pointer to NULL are allowed. */
KPREP_API void kprep_server_close(kprep_server **server);

#ifdef __cplusplus
}
#endif
#endif
