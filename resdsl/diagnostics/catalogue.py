"""Every kind of error and warning that resdsl reports. A code, once released, keeps its meaning.

E01 syntax · E02 names and arguments · E03 shapes · E04 `use` and label files · E05 annotations and expectations ·
E06 structure of a model · E07 weights · E08 files, models and the machine · E09 limits; W likewise.
"""

from __future__ import annotations

from resdsl.diagnostics.diagnostic import Code

CODES: dict[str, Code] = {}


# The exit status of a command that ends with the code, so that a script can distinguish a wrong specification from a
# wrong path.
_USAGE = 2
_MACHINE = 3


def _code(identifier: str, title: str, exit_status: int = 1) -> Code:
    if identifier in CODES:
        raise ValueError(f"{identifier} is defined twice")
    code = Code(identifier, title, exit_status)
    CODES[identifier] = code
    return code


# E01 syntax (parser)
UNEXPECTED_TEXT = _code("E0101", "unexpected text")
UNCLOSED = _code("E0102", "unclosed bracket")
UNKNOWN_CHARACTER = _code("E0103", "character that the language does not use")
BAD_NUMBER = _code("E0104", "invalid number or size")
UNTERMINATED_STRING = _code("E0105", "unterminated string")
MISSING_COMMA = _code("E0106", "missing comma")
BAD_STRING = _code("E0107", "string without double quotes")
MISSING_SEPARATOR = _code("E0108", "missing separator between statements")
UNKNOWN_KEYWORD = _code("E0109", "unknown keyword")

# E02 names and arguments
UNKNOWN_NAME = _code("E0201", "unknown name")
UNKNOWN_CALLEE = _code("E0202", "unknown operator or block")
UNKNOWN_ARGUMENT = _code("E0203", "unknown argument")
MISSING_ARGUMENT = _code("E0204", "missing argument")
DUPLICATE_ARGUMENT = _code("E0205", "duplicate argument")
TOO_MANY_ARGUMENTS = _code("E0206", "too many arguments")
ARGUMENT_TYPE = _code("E0207", "argument of the wrong type")
ARGUMENT_VALUE = _code("E0208", "argument out of range")
EXPRESSION = _code("E0209", "expression that cannot be evaluated")
RECURSIVE_BLOCK = _code("E0210", "recursive block")
DUPLICATE_DEFINITION = _code("E0211", "duplicate definition")
UNKNOWN_TYPE = _code("E0212", "unknown parameter type")
MISPLACED_DEFAULT = _code("E0213", "`default` after the first layer")
REPEAT_COUNT = _code("E0214", "invalid repeat count or loop bound")

# E03 shapes
RESIDUAL_SHAPES = _code("E0301", "residual paths have different shapes")
JOIN_SHAPES = _code("E0302", "branches of a join have incompatible shapes")
KERNEL_TOO_LARGE = _code("E0303", "kernel is larger than its padded input")
GROUPS = _code("E0304", "`groups` does not divide the channels")
RANK = _code("E0305", "input has the wrong number of dimensions")
INPUT_SHAPE = _code("E0306", "input of a called model does not match")
PAD_SHORTCUT = _code("E0308", "option A shortcut cannot produce this shape")
SYMBOLIC_SIZE = _code("E0309", "size must be known here")
PADDING_TOO_LARGE = _code("E0310", "padding is too large for the kernel")

# E04 use and label files
USE_NOT_FOUND = _code("E0401", "used file cannot be read")
USE_CYCLE = _code("E0402", "circular `use`")
USE_NAME = _code("E0403", "used file does not define this name")
USE_OUTSIDE = _code("E0404", "used file is outside the specification's folder")
LABELS_NOT_FOUND = _code("E0405", "labels file cannot be read")

# E05 annotations and expectations
ANNOTATION = _code("E0501", "shape annotation does not match")
EXPECTATION = _code("E0502", "expectation does not match")
EXPECTATION_UNKNOWN = _code("E0503", "unknown expectation")

# E06 structure
NO_INPUT = _code("E0601", "model has no input")
SEVERAL_INPUTS = _code("E0602", "model has several inputs")
NO_OUTPUT = _code("E0603", "model has no output")
DUPLICATE_OUTPUT = _code("E0604", "duplicate output name")
DUPLICATE_LABEL = _code("E0605", "duplicate label")
UNKNOWN_TAP = _code("E0606", "unknown tap")
DUPLICATE_TAP = _code("E0607", "duplicate tap")
NO_MODEL = _code("E0608", "no model to build")
MISPLACED = _code("E0609", "statement is not allowed here")
STAGE_ARGUMENTS = _code("E0610", "no block takes the stage's arguments")
EMPTY_JOIN = _code("E0611", "join has no branches")
NO_SHORTCUT_BODY = _code("E0612", "projection shortcut has no body")
UNKNOWN_LABELS = _code("E0613", "unknown label set")
PREPROCESS = _code("E0614", "invalid preprocessing step")
EMPTY_AUX = _code("E0615", "aux head has no layers")

# E07 weights
NOT_A_CHECKPOINT = _code("E0702", "file contains no weights")
CHECKPOINT_FORMAT = _code("E0703", "unsupported weight format")
CHECKPOINT_DAMAGED = _code("E0704", "weight file is damaged or truncated")
REFUSED_GLOBAL = _code("E0705", "checkpoint would run code")
CHECKPOINT_DTYPE = _code("E0706", "unsupported tensor element type")
CHECKPOINT_OUTSIDE = _code("E0707", "weight file is outside the checkpoint's folder")
CHECKPOINT_TOO_LARGE = _code("E0708", "weight file exceeds the size limit")
TENSORS_MISSING = _code("E0710", "tensors are missing from the checkpoint")
TENSORS_UNEXPECTED = _code("E0711", "unexpected tensors in the checkpoint")
TENSOR_SHAPES = _code("E0712", "tensor shapes do not match the checkpoint")
CLASS_COUNT = _code("E0713", "number of classes does not match the checkpoint")
TENSOR_NAMES = _code("E0714", "tensor names do not match the checkpoint")
BAD_RENAME = _code("E0715", "rename does not fit the checkpoint")
NO_WEIGHTS_TO_SAVE = _code("E0716", "model has no weights to save")
WEIGHTS_ADDRESS = _code("E0717", "unusable weight address", _USAGE)
PRECISION = _code("E0718", "weight is out of range for the precision")
BAD_IGNORE = _code("E0719", "pattern matches no tensor of the checkpoint")
BUDGET = _code("E0720", "network is over its budget")
INCOMPATIBLE_WEIGHTS = _code("E0721", "old weights do not fit the new network")

# E08 files, models and the machine
FILE_NOT_FOUND = _code("E0801", "file does not exist", _USAGE)
NOT_A_FILE = _code("E0802", "path is a folder, not a file", _USAGE)
UNREADABLE_FILE = _code("E0803", "file cannot be read", _USAGE)
NOT_TEXT = _code("E0804", "file is not UTF-8 text")
EMPTY_FILE = _code("E0805", "file is empty")
UNWRITABLE = _code("E0806", "output cannot be written", _USAGE)
GIT = _code("E0807", "git cannot be configured", _USAGE)
OUTPUT_FOLDER = _code("E0810", "output folder does not exist", _USAGE)
OUTPUT_DENIED = _code("E0811", "no permission to write the output", _USAGE)
DISK_FULL = _code("E0812", "disk is full", _USAGE)
MODEL_TOO_LARGE = _code("E0813", "model is too large for one ONNX file", _USAGE)
SIDE_FILE = _code("E0814", "model with external data cannot be written to a stream", _USAGE)
NOT_RESUMABLE = _code("E0815", "run cannot be resumed", _USAGE)
ROW_FORMAT = _code("E0816", "unsupported output format", _USAGE)
OUTPUT_IS_INPUT = _code("E0817", "output would replace an input", _USAGE)
COMMAND_LINE = _code("E0818", "invalid command line", _USAGE)
IMAGE_UNREADABLE = _code("E0820", "image cannot be read")
IMAGE_TOO_LARGE = _code("E0821", "image exceeds the pixel limit")
IMAGE_RANGE = _code("E0822", "image has no defined white level")
MODEL_UNREADABLE = _code("E0830", "ONNX Runtime cannot load the model")
NO_PREPROCESS = _code("E0831", "model does not declare its preprocessing")
NOT_A_CLASSIFIER = _code("E0832", "model is not an image classifier")
METADATA = _code("E0833", "model metadata cannot be read")
PREPROCESS_SIZE = _code("E0834", "preprocessing does not produce the model's input size")
RUN_FAILED = _code("E0835", "model fails on an image")
TESTING = _code("E0836", "model does not support this test-time augmentation")
NO_INPUT_MADE_UP = _code("E0837", "no input can be generated for the model")
NOT_COMPARABLE = _code("E0838", "models cannot be compared")
NO_SUCH_OUTPUT = _code("E0839", "unknown model output")
DOWNLOAD_FAILED = _code("E0840", "download failed", _USAGE)
DOWNLOAD_ALTERED = _code("E0841", "checksum of a download does not match")
EMBED = _code("E0843", "preprocessing cannot be embedded in the model")
CALIBRATION = _code("E0844", "model cannot be calibrated")
UNKNOWN_LAYER = _code("E0845", "pattern matches no layer")
NO_PICTURE = _code("E0846", "network cannot be drawn")
TRUTH = _code("E0847", "ground truth cannot be determined")
NOT_A_NETWORK = _code("E0850", "ONNX file is not a network")
TENSOR_UNREADABLE = _code("E0851", "tensor of an ONNX file cannot be read")
NOT_EXPRESSIBLE = _code("E0852", "network cannot be written in the language")
NOT_EQUAL = _code("E0853", "imported network does not compute what its original does")
NOT_THE_NETWORK = _code("E0854", "model is not the network of the specification")
NO_MODULE = _code("E0855", "Python code gives no PyTorch module")
NOT_TRACED = _code("E0856", "PyTorch module cannot be traced")
NO_GRADIENT = _code("E0857", "network cannot be trained")
DEVICE_NAME = _code("E0860", "unknown device", _USAGE)
DEVICE_UNUSABLE = _code("E0861", "device cannot be used", _MACHINE)
NO_ONNX_RUNTIME = _code("E0862", "ONNX Runtime cannot be loaded", _MACHINE)
EXTRA_NEEDED = _code("E0863", "optional dependency is not installed", _MACHINE)
OTHER_MACHINE = _code("E0864", "model was optimised for another machine", _MACHINE)
NOT_SERVED = _code("E0870", "model cannot be served")
VERSION_EXISTS = _code("E0871", "version of a model exists already", _USAGE)
PACKAGE_INVALID = _code("E0872", "package does not fit its published schema")
NOTHING_SERVED = _code("E0873", "folder has no models to serve", _USAGE)
ADDRESS = _code("E0874", "server cannot listen on its address", _MACHINE)
SERVER_FILES = _code("E0875", "certificate or tokens of a server cannot be used", _USAGE)
STORE = _code("E0880", "object store cannot be reached", _MACHINE)
CLUSTER = _code("E0881", "cluster cannot run the job", _MACHINE)
TRAINING_DATA = _code("E0890", "data cannot be used for training")
DIVERGED = _code("E0891", "training diverges")
TRAINING_MEMORY = _code("E0892", "training needs more memory than there is", _MACHINE)
TRAINING_CLASSES = _code("E0893", "classes of the data are not those of the network")

# E09 limits
LIMIT = _code("E0901", "specification exceeds a limit")

# Warnings
POSITIONAL_NAME = _code("W0501", "tensor name depends on its position")
BIAS_BEFORE_NORM = _code("W0502", "bias before a batch norm")
UNUSED_TAP = _code("W0503", "unused tap")
UNUSED_BLOCK = _code("W0504", "unused block")
UNUSED_PARAMETER = _code("W0505", "unused parameter")
UNUSED_CONST = _code("W0506", "unused const")
UNREACHABLE_OUTPUT = _code("W0507", "layers that no output uses")
LABEL_COUNT = _code("W0508", "number of labels does not match the classes")
ARGUMENT_ORDER = _code("W0509", "arguments in PyTorch's order")
POOL_STRIDE = _code("W0510", "pool without a stride")
VARIANT = _code("W0701", "weights of another ResNet variant")
NO_KERNELS = _code("W0702", "precision that ONNX Runtime does not support here")
TENSORS_MISSING_PARTIAL = _code("W0710", "missing tensors keep their initial values")
TENSORS_UNEXPECTED_PARTIAL = _code("W0711", "unexpected tensors are skipped")
TENSOR_SHAPES_PARTIAL = _code("W0712", "tensors of other shapes are skipped")
CLASS_COUNT_PARTIAL = _code("W0713", "classifier with another number of classes is skipped")
TENSOR_NAMES_PARTIAL = _code("W0714", "tensors with other names are skipped")
SIGNAL = _code("W0720", "signal dies or explodes at initialisation")
OUTPUT_NAME = _code("W0801", "output is named like another format")
EMPTY_CLASS = _code("W0802", "class without training images")
