"""Every kind of mistake that resdsl tells. A code, once released, keeps its meaning.

E01 syntax · E02 names and arguments · E03 shapes · E04 use and files of the language · E05 claims ·
E06 structure of a model · E07 weights and models · E08 files and environment · E09 limits; W likewise.
"""

from __future__ import annotations

from resdsl.diagnostics.diagnostic import Code

CODES: dict[str, Code] = {}


# What a code says of a command that ends with it. A script can tell a wrong specification from a wrong path.
_USAGE = 2
_MACHINE = 3


def _code(identifier: str, title: str, exit_status: int = 1) -> Code:
    if identifier in CODES:
        raise ValueError(f"{identifier} is defined twice")
    code = Code(identifier, title, exit_status)
    CODES[identifier] = code
    return code


# E01 syntax (parser)
UNEXPECTED_TEXT = _code("E0101", "this text does not belong here")
UNCLOSED = _code("E0102", "a bracket is never closed")
UNKNOWN_CHARACTER = _code("E0103", "a character that the language does not use")
BAD_NUMBER = _code("E0104", "not a number or size")
UNTERMINATED_STRING = _code("E0105", "a string is never closed")
MISSING_COMMA = _code("E0106", "a comma is missing")
BAD_STRING = _code("E0107", "a string that is not written as one")
MISSING_SEPARATOR = _code("E0108", "two statements that nothing separates")
UNKNOWN_KEYWORD = _code("E0109", "a word that is no keyword here")

# E02 names and arguments
UNKNOWN_NAME = _code("E0201", "unknown name")
UNKNOWN_CALLEE = _code("E0202", "unknown op or block")
UNKNOWN_ARGUMENT = _code("E0203", "unknown argument")
MISSING_ARGUMENT = _code("E0204", "a required argument is missing")
DUPLICATE_ARGUMENT = _code("E0205", "an argument is given twice")
TOO_MANY_ARGUMENTS = _code("E0206", "too many arguments")
ARGUMENT_TYPE = _code("E0207", "an argument of the wrong type")
ARGUMENT_VALUE = _code("E0208", "an argument out of range")
EXPRESSION = _code("E0209", "an expression cannot be computed")
RECURSIVE_BLOCK = _code("E0210", "a block calls itself")
DUPLICATE_DEFINITION = _code("E0211", "a name is defined twice")
UNKNOWN_TYPE = _code("E0212", "unknown parameter type")
MISPLACED_DEFAULT = _code("E0213", "a default after the first layer")
REPEAT_COUNT = _code("E0214", "a repeat count or loop bound is not a whole number from 0")

# E03 shapes
RESIDUAL_SHAPES = _code("E0301", "the two paths of a residual have different shapes")
JOIN_SHAPES = _code("E0302", "the branches of a join have shapes that do not fit")
KERNEL_TOO_LARGE = _code("E0303", "a kernel is larger than its padded input")
GROUPS = _code("E0304", "groups do not divide the channels")
RANK = _code("E0305", "the input has the wrong number of dimensions")
INPUT_SHAPE = _code("E0306", "a called model takes another input")
PAD_SHORTCUT = _code("E0308", "option A cannot reach this shape")
SYMBOLIC_SIZE = _code("E0309", "a size must be known here")
PADDING_TOO_LARGE = _code("E0310", "padding is larger than the kernel allows")

# E04 use
USE_NOT_FOUND = _code("E0401", "a used file cannot be read")
USE_CYCLE = _code("E0402", "files use each other in a circle")
USE_NAME = _code("E0403", "a used file does not define this name")
USE_OUTSIDE = _code("E0404", "a used file lies outside the folder of the specification")
LABELS_NOT_FOUND = _code("E0405", "a file of labels cannot be read")

# E05 claims
ANNOTATION = _code("E0501", "a shape annotation is not met")
EXPECTATION = _code("E0502", "an expectation is not met")
EXPECTATION_UNKNOWN = _code("E0503", "an expectation about something unknown")

# E06 structure
NO_INPUT = _code("E0601", "a model without an input")
SEVERAL_INPUTS = _code("E0602", "a model with several inputs")
NO_OUTPUT = _code("E0603", "a model without an output")
DUPLICATE_OUTPUT = _code("E0604", "an output name is used twice")
DUPLICATE_LABEL = _code("E0605", "a label is used twice")
UNKNOWN_TAP = _code("E0606", "unknown tap")
DUPLICATE_TAP = _code("E0607", "a tap is defined twice")
NO_MODEL = _code("E0608", "no model to build")
MISPLACED = _code("E0609", "a statement that cannot stand here")
STAGE_ARGUMENTS = _code("E0610", "a stage's arguments have no block to go to")
EMPTY_JOIN = _code("E0611", "a join without branches")
NO_SHORTCUT_BODY = _code("E0612", "a projection shortcut without a body")
UNKNOWN_LABELS = _code("E0613", "unknown set of labels")
PREPROCESS = _code("E0614", "a preprocessing step that cannot be done")

# E07 weights
NOT_A_CHECKPOINT = _code("E0702", "a file that holds no weights")
CHECKPOINT_FORMAT = _code("E0703", "a format of weights that is not read")
CHECKPOINT_DAMAGED = _code("E0704", "a damaged or cut off file of weights")
REFUSED_GLOBAL = _code("E0705", "a checkpoint that asks for code to be run")
CHECKPOINT_DTYPE = _code("E0706", "a tensor whose elements cannot be weights")
CHECKPOINT_OUTSIDE = _code("E0707", "weights in a file outside the folder")
CHECKPOINT_TOO_LARGE = _code("E0708", "a file of weights that claims more than the limit")
TENSORS_MISSING = _code("E0710", "tensors of the network that the checkpoint lacks")
TENSORS_UNEXPECTED = _code("E0711", "tensors of the checkpoint that the network lacks")
TENSOR_SHAPES = _code("E0712", "tensors of other shapes in the checkpoint")
CLASS_COUNT = _code("E0713", "a checkpoint for another number of classes")
TENSOR_NAMES = _code("E0714", "tensors of other names in the checkpoint")
BAD_RENAME = _code("E0715", "a rename that does not fit the checkpoint")
NO_WEIGHTS_TO_SAVE = _code("E0716", "a model without weights to save")
WEIGHTS_ADDRESS = _code("E0717", "an address of weights that cannot be used", _USAGE)
BAD_IGNORE = _code("E0719", "a pattern that matches no tensor of the checkpoint")
PRECISION = _code("E0718", "a weight that the precision cannot hold")
BUDGET = _code("E0720", "a network over its budget")
INCOMPATIBLE_WEIGHTS = _code("E0721", "a network that old weights do not fit")

# E08 files, models and the machine
FILE_NOT_FOUND = _code("E0801", "a file does not exist", _USAGE)
NOT_A_FILE = _code("E0802", "a folder where a file is needed", _USAGE)
UNREADABLE_FILE = _code("E0803", "a file cannot be read", _USAGE)
NOT_TEXT = _code("E0804", "not a text in UTF-8")
EMPTY_FILE = _code("E0805", "an empty file")
UNWRITABLE = _code("E0806", "a result cannot be written", _USAGE)
OUTPUT_FOLDER = _code("E0810", "the folder of a result does not exist", _USAGE)
OUTPUT_DENIED = _code("E0811", "no permission to write a result", _USAGE)
DISK_FULL = _code("E0812", "the disk is full", _USAGE)
MODEL_TOO_LARGE = _code("E0813", "a model too large for one ONNX file", _USAGE)
SIDE_FILE = _code("E0814", "a model with a side file cannot be written to a stream", _USAGE)
NOT_RESUMABLE = _code("E0815", "a run that cannot go on with what another one left", _USAGE)
ROW_FORMAT = _code("E0816", "a format that the rows of images cannot have", _USAGE)
IMAGE_UNREADABLE = _code("E0820", "an image cannot be read")
IMAGE_TOO_LARGE = _code("E0821", "an image with more pixels than the limit")
IMAGE_RANGE = _code("E0822", "an image whose pixels have no agreed white")
MODEL_UNREADABLE = _code("E0830", "a model that ONNX Runtime cannot read")
NO_PREPROCESS = _code("E0831", "a model that does not say how an image becomes its input")
NOT_A_CLASSIFIER = _code("E0832", "a model that does not make classes of an image")
METADATA = _code("E0833", "metadata of a model that cannot be understood")
PREPROCESS_SIZE = _code("E0834", "preprocessing that gives another size than the model takes")
RUN_FAILED = _code("E0835", "a model that fails on an image")
TESTING = _code("E0836", "a way of testing that the model does not allow")
NO_SUCH_OUTPUT = _code("E0839", "an output that the model does not have")
DOWNLOAD_FAILED = _code("E0840", "a file that cannot be fetched", _USAGE)
DOWNLOAD_ALTERED = _code("E0841", "a file that is not what was published")
NO_INPUT_MADE_UP = _code("E0837", "a model for which no input can be made up")
NOT_COMPARABLE = _code("E0838", "two models that cannot be compared")
EMBED = _code("E0843", "preprocessing that a model cannot do itself")
CALIBRATION = _code("E0844", "a model that cannot be calibrated")
UNKNOWN_LAYER = _code("E0845", "a pattern that fits no layer")
NO_PICTURE = _code("E0846", "a picture that cannot be drawn")
TRUTH = _code("E0847", "images whose true classes cannot be told")
DEVICE_NAME = _code("E0860", "a device that is not known", _USAGE)
DEVICE_UNUSABLE = _code("E0861", "a device that cannot be used here", _MACHINE)
NO_ONNX_RUNTIME = _code("E0862", "ONNX Runtime cannot be loaded", _MACHINE)
OTHER_MACHINE = _code("E0864", "a model that was made for another machine", _MACHINE)
EXTRA_NEEDED = _code("E0863", "a part of resdsl that is not installed", _MACHINE)

# E09 limits
LIMIT = _code("E0901", "the specification is larger than the limit")

# Warnings
POSITIONAL_NAME = _code("W0501", "a tensor's name depends on its position")
BIAS_BEFORE_NORM = _code("W0502", "a bias right before a batch norm")
UNUSED_TAP = _code("W0503", "a tap is never used")
UNUSED_BLOCK = _code("W0504", "a block is never used")
UNUSED_PARAMETER = _code("W0505", "a parameter is never used")
UNUSED_CONST = _code("W0506", "a const is never used")
UNREACHABLE_OUTPUT = _code("W0507", "layers that no output needs")
LABEL_COUNT = _code("W0508", "labels of another number of classes")
VARIANT = _code("W0701", "weights of the other ResNet of the same tensors")
NO_KERNELS = _code("W0702", "a precision that ONNX Runtime does not run here")
TENSORS_MISSING_PARTIAL = _code("W0710", "tensors that keep their initial values")
TENSORS_UNEXPECTED_PARTIAL = _code("W0711", "tensors of the checkpoint that are left out")
TENSOR_SHAPES_PARTIAL = _code("W0712", "tensors of other shapes that are left out")
CLASS_COUNT_PARTIAL = _code("W0713", "a classifier of another number of classes is left out")
TENSOR_NAMES_PARTIAL = _code("W0714", "tensors of other names that are left out")
