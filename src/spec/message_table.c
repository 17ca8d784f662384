/* message_table.c: the messages that `kprep explain` knows.
 *
 * Texts are those of Keras 2 and 3, TensorFlow 2.21, NumPy 2.4, PyTorch 2 and ONNX Runtime 1.32. White
 * space in them is one blank, however the program broke its lines.
 */
#include "spec/message.h"

#define SEVERAL_SHAPES                                                                             \
    "bring all samples to one shape, for instance with `resize 224 224`; `kprep check` counts "    \
    "the "                                                                                         \
    "files of each shape"
#define LABELS_HELP                                                                                \
    "sparse_categorical_crossentropy takes whole numbers (`labels: {encode: int}`), "              \
    "categorical_crossentropy a row of 0 and 1 for each (`encode: one_hot`), as wide as the last " \
    "layer"
#define SMALL                                                                                      \
    "a convolution or pooling has shrunk an axis to nothing: the picture is too small, its axes "  \
    "are in another order than the model's, or it lacks the sample axis"
#define SMALL_HELP                                                                                 \
    "look at the axes first: channels where the model has its height do this too; a single image " \
    "needs a sample axis in front"
#define OBJECT                                                                                     \
    "the array holds Python objects, which is what NumPy makes of samples of several shapes"
#define OBJECT_HELP                                                                                \
    "bring all samples to one shape and write them as numbers: kprep does both, file by file"

static const char FILES[] = "kprep check PHOTOS/ --spec MODEL";
static const char ARRAY[] = "kprep check X.npy --spec MODEL";
static const char LOOK[] = "kprep inspect X.npy";
static const char LAYERS[] = "kprep spec MODEL";

#define TELLS   KPREP_MESSAGE_TELLS
#define BATCHES KPREP_MESSAGE_BATCHES
#define SAMPLES KPREP_MESSAGE_SAMPLES
#define AXIS    KPREP_MESSAGE_AXIS
#define RANK    KPREP_MESSAGE_RANK
#define MATRIX  KPREP_MESSAGE_MATRIX
#define TORCH   KPREP_MESSAGE_TORCH
#define INDICES KPREP_MESSAGE_INDICES
#define NUMBERS KPREP_MESSAGE_NUMBERS
#define K       "Keras"
#define T       "TensorFlow"
#define P       "PyTorch"
#define O       "ONNX Runtime"
#define N       "NumPy"

const kprep_message_row kprep_message_rows[] = {
    /* Data against a model. */
    {K, "Expected shape (", BATCHES, "Expected shape", "incompatible shape", false, NULL, NULL,
     NULL},
    {K, "is incompatible with the layer: expected shape=", BATCHES,
     "expected shape=", "found shape=", false, NULL, NULL, NULL},
    {K, "expected axis ", AXIS, "expected axis", "with shape", false, NULL, NULL, NULL},
    {K, "expected min_ndim=", RANK, "expected min_ndim=", "shape received:", false, NULL, NULL,
     NULL},
    {K, "expected ndim=", RANK, "expected ndim=", "shape received:", false, NULL, NULL, NULL},
    {K, "expected max_ndim=", RANK, "expected max_ndim=", "shape received:", false, NULL, NULL,
     NULL},
    {K, "Error when checking input: expected", RANK, "to have", "array with shape", false, NULL,
     NULL, NULL},
    {K, "Error when checking input: expected", SAMPLES, "to have shape", "array with shape", false,
     NULL, NULL, NULL},
    {T, "Matrix size-incompatible:", MATRIX, "In[1]:", "In[0]:", true, NULL, NULL, NULL},
    {P, "mat1 and mat2 shapes cannot be multiplied", MATRIX, "and", "multiplied (", true, NULL,
     NULL, NULL},
    {P, "size mismatch, m1:", MATRIX, "m2:", "m1:", true, NULL, NULL, NULL},
    {P, "Given groups=", TORCH, "weight of size", "expected input", false, NULL, NULL, NULL},
    {P, "Given transposed=", TORCH, "weight of size", "expected input", false, NULL, NULL, NULL},
    {O, "Got invalid dimensions for input:", INDICES, NULL, NULL, false, NULL, NULL, NULL},
    {O, "Invalid rank for input:", NUMBERS, "Expected:", "Got:", true,
     "the input has another number of axes than the model's",
     "a single sample needs the sample axis in front, a grey picture an axis for its channel",
     ARRAY},
    {O, "Input channels C is not equal to kernel channels", NUMBERS, "kernel channels:", "C:", true,
     "the axis that the convolution takes for channels has another size: in ONNX it is the first "
     "one behind the samples, n c h w",
     "if the data is n h w c: `moveaxis -1 0`", ARRAY},
    {N, "could not broadcast input array from shape", SAMPLES, "into shape", "from shape", true,
     NULL, NULL, NULL},

    /* Samples of several shapes. */
    {N, "all input arrays must have the same shape", TELLS, NULL, NULL, false,
     "numpy.stack was given arrays of several shapes; it does not say which", SEVERAL_SHAPES,
     FILES},
    {N, "all the input array dimensions except for the concatenation axis must match", TELLS,
     "has size", "has size", false,
     "numpy.concatenate was given arrays that differ in an axis other than the joined one",
     SEVERAL_SHAPES, FILES},
    {N, "all the input arrays must have same number of dimensions", TELLS, "has", "has", false,
     "numpy.concatenate was given arrays with several numbers of axes: grey images beside colour "
     "ones, for instance",
     "`rgb` or `grayscale` gives all images the same channels", FILES},
    {N, "inhomogeneous shape after", TELLS, NULL, "detected shape was", false,
     "samples of several shapes do not make one array: they agree in the axes shown and no "
     "further",
     SEVERAL_SHAPES, FILES},
    {N, "setting an array element with a sequence.", TELLS, NULL, NULL, false,
     "samples of several shapes do not make one array", SEVERAL_SHAPES, FILES},
    {T, "Cannot batch tensors with different shapes in component", TELLS, "element had shape",
     "had shape", false, "the samples of one batch have several shapes", SEVERAL_SHAPES, FILES},
    {P, "stack expects each tensor to be equal size, but got", TELLS, "but got", "and", false,
     "the samples of one batch have several shapes", SEVERAL_SHAPES, FILES},
    {K, "requires inputs with matching shapes except for the concatenation axis", TELLS, NULL,
     "input_shape=", false,
     "the branches of the model meet with several heights and widths: this is in the model, or "
     "its inputs have other sizes than it was made for",
     "`kprep spec` shows what each input takes", LAYERS},
    {K, "Invalid dtype: object", TELLS, NULL, NULL, false, OBJECT, OBJECT_HELP, FILES},
    {T, "Unsupported object type", TELLS, NULL, NULL, false, OBJECT, OBJECT_HELP, FILES},

    /* Numbers of values. */
    {N, "cannot reshape array of size", TELLS, "into shape", "array of size", true,
     "reshape keeps the number of values, and these are not as many",
     "reshape can't make what is missing: look at what the file holds", LOOK},
    {T, "Input to reshape is a tensor with", TELLS, "requested shape has", "tensor with", true,
     "reshape keeps the number of values, and these are not as many",
     "reshape can't make what is missing: the data has another size than the model was made for",
     ARRAY},
    {P, "shape '[", TELLS, "shape '", "input of size", false,
     "view and reshape keep the number of values, and these are not as many",
     "the data has another size than the model was made for", ARRAY},
    {N, "axes don't match array", TELLS, NULL, NULL, false,
     "numpy.transpose was given another number of axes than the array has",
     "`kprep inspect` shows the axes there are; in a pipeline the sample axis is not counted",
     LOOK},
    {N, "has a mismatch in its core dimension", TELLS, "(size", "different from", false,
     "a product of matrices: the last axis of the data is not as long as the weights are high",
     "the layer was made for samples of another size", ARRAY},

    /* Sizes that became too small. */
    {K, "Computed output size would be zero or negative", TELLS, NULL, "inputs shape=", false,
     SMALL, SMALL_HELP, ARRAY},
    {T, "Negative dimension size caused by subtracting", TELLS, "subtracting", "from", false, SMALL,
     SMALL_HELP, ARRAY},
    {P, "Calculated padded input size per channel", TELLS, "Kernel size:", "per channel:", true,
     SMALL, SMALL_HELP, ARRAY},
    {P, "(batched) input to", TELLS, NULL, "input of size:", false,
     "the layer wants an axis for channels, c h w, and for a batch the sample axis in front",
     "a grey picture (h, w) needs `expand_dims 0`", ARRAY},

    /* Element by element. */
    {T, "Incompatible shapes:", TELLS, "Incompatible shapes:", "vs.", false,
     "two tensors are added or compared value by value and have several shapes; where one is the "
     "labels, the last layer is not as wide as they are",
     LABELS_HELP, LAYERS},
    {N, "operands could not be broadcast together with shapes", TELLS, "with shapes", "", false,
     "two arrays are added or compared value by value; axes are paired from the last one on, and "
     "must be equal or 1",
     "a mean for each channel goes with `... c` only where c is the last axis", LOOK},
    {P, "The size of tensor a", TELLS, "tensor b", "tensor a", true,
     "two tensors are added or compared value by value and differ in an axis",
     "axes are paired from the last one on, and must be equal or 1", ARRAY},

    /* Labels. */
    {K, "`target` and `output` must have the same shape", TELLS, "output.shape=", "target.shape=",
     true, "the labels are not as wide as the model's last layer: this is no matter of the input",
     LABELS_HELP, LAYERS},
    {K, "must have rank (ndim) `target.ndim - 1`", TELLS, "output.shape=", "target.shape=", true,
     "the labels are one row for each sample where the loss takes one number", LABELS_HELP, LAYERS},
    {T, "logits and labels must have the same first dimension", TELLS, "logits shape",
     "labels shape", false,
     "there are not as many labels as samples, or each label is a row where one number is taken",
     LABELS_HELP, LAYERS},
    {T, "`labels.shape` must equal `logits.shape` except", TELLS, "logits.shape=", "labels.shape=",
     true, "there are not as many labels as samples, or each label is a row", LABELS_HELP, LAYERS},
    {K, "Shapes (", TELLS, "and", "Shapes", true,
     "the labels are not as wide as the model's last layer: this is no matter of the input",
     LABELS_HELP, LAYERS},
    {P, "Target size (", TELLS, "input size", "Target size", true,
     "the labels have another shape than what the model gives: this is no matter of the input",
     "give both one shape: `encode: binary` makes one number for each sample", LAYERS},
    {K, "Data cardinality is ambiguous", TELLS, "'x' sizes:", "'y' sizes:", false,
     "there are not as many labels as samples",
     "kprep writes both together, and samples.csv says which is whose", LOOK},
    {T, "Dimensions ", TELLS, "Dimensions", "and", false,
     "arrays that go together have several numbers of rows", "each is a row for each sample", LOOK},

    /* What is not a shape. */
    {T, "Cannot take the length of shape with unknown rank", TELLS, NULL, NULL, false,
     "a function of Python (tf.py_function, from_generator) gave a tensor without a shape, so that "
     "the model does not know how many axes come",
     "say the shape: output_signature=tf.TensorSpec((32, 32, 3), tf.float32), or x.set_shape(...); "
     "arrays that kprep wrote have theirs",
     LAYERS},
    {O, "Unexpected input data type", TELLS, "expected:", "Actual:", true,
     "the values have another type than the model's", "`cast float32`, or the type it names",
     ARRAY},
    {P, "expected scalar type", TELLS, "scalar type", "but found", false,
     "the values have another type than the model's weights", "`cast float32`", ARRAY},
    {O, "MatMul dimension mismatch", TELLS, NULL, NULL, false,
     "the last axis of the data is not as long as the layer's weights are high",
     "the message names no size: compare the file with the model", ARRAY},
    {P, "copying a param with shape", TELLS, "current model is", "param with shape", true,
     "weights of another model: a checkpoint does not fit the layers, whatever the data is",
     "make the model with the number of classes and channels that the checkpoint has", NULL},
    {K, "with a weight list of length", TELLS, "expecting", "list of length", true,
     "weights of another model do not fit the layers, whatever the data is",
     "build the model as the one that the weights are of", NULL},
    {K, "Missing data for input", TELLS, "following keys:", "with keys", true,
     "the model has several inputs, and one was not given",
     "a job with `arrays` makes one array for each", LAYERS},
    {K, "named input(s) with keys", TELLS, "with keys", "received", false,
     "the model has several inputs, and one array was given",
     "a job with `arrays` makes one array for each", LAYERS},
    {0},
};
