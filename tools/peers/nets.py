"""The models that export.py exports: random weights, the usual sizes.

Each entry of NETS makes a `Net`; names and dynamic axes are those under which people export these models.
"""
import dataclasses
import typing

import torch
import torchvision
import transformers
from torch import nn
from transformers.cache_utils import DynamicCache

from yolo import YoloLike

IMAGE = {0: "batch"}
TOKENS = {0: "batch", 1: "seq"}
BATCH, LENGTH, PAST, HEADS, HEAD_SIZE = 2, 16, 8, 12, 64


@dataclasses.dataclass
class Net:
    module: nn.Module
    example: typing.Tuple[torch.Tensor, ...]
    inputs: typing.List[str]
    outputs: typing.List[str]
    dynamic: typing.Dict[str, typing.Dict[int, str]]


class Wrap(nn.Module):
    """A module called with positional tensors."""

    def __init__(self, module, call):
        super().__init__()
        self.module, self.call = module, call

    def forward(self, *tensors):
        return self.call(self.module, *tensors)


def settle_batch_norms(module, *shape):
    """Sets the statistics from a few batches: with random weights alone activations explode or vanish."""
    module.train()
    for norm in module.modules():
        if isinstance(norm, nn.modules.batchnorm._BatchNorm):
            norm.momentum = None
    with torch.no_grad():
        for _ in range(2):
            module(torch.randn(*shape))
    return module.eval()


def image_net(module, side=224, output="logits"):
    return Net(module, (torch.randn(1, 3, side, side),), ["input"], [output], {"input": IMAGE})


def convolutional(make):
    return lambda: image_net(settle_batch_norms(make(weights=None), 8, 3, 224, 224))


def vision_transformer(make):
    return lambda: image_net(make(weights=None).eval())


def yolo():
    return image_net(settle_batch_norms(YoloLike(), 2, 3, 320, 320), 320, "pred")


def token_net(module, call, vocabulary, outputs, inputs=("input_ids", "attention_mask")):
    ids = torch.randint(0, vocabulary, (BATCH, LENGTH))
    fillers = {"attention_mask": torch.ones_like(ids), "token_type_ids": torch.zeros_like(ids)}
    example = tuple(fillers.get(name, ids) for name in inputs)
    return Net(Wrap(module.eval(), call), example, list(inputs), outputs, {name: TOKENS for name in inputs})


def bert(attention):
    config = transformers.BertConfig(attn_implementation=attention)
    return token_net(transformers.BertModel(config), lambda m, i, a, t: tuple(
        m(input_ids=i, attention_mask=a, token_type_ids=t, return_dict=False)[:2]), config.vocab_size,
        ["last_hidden_state", "pooler_output"], ("input_ids", "attention_mask", "token_type_ids"))


def first_output(m, i, a):
    return m(input_ids=i, attention_mask=a, return_dict=False)[0]


def first_output_without_cache(m, i, a):
    return m(input_ids=i, attention_mask=a, use_cache=False, return_dict=False)[0]


def distilbert():
    config = transformers.DistilBertConfig(attn_implementation="eager")
    return token_net(transformers.DistilBertModel(config), first_output, config.vocab_size, ["last_hidden_state"])


def t5_encoder():
    config = transformers.T5Config(d_model=512, d_ff=2048, num_layers=6, num_heads=8)
    return token_net(transformers.T5EncoderModel(config), first_output, config.vocab_size, ["last_hidden_state"])


def llama():
    config = transformers.LlamaConfig(
        vocab_size=8000, hidden_size=512, intermediate_size=1376, num_hidden_layers=6, num_attention_heads=8,
        num_key_value_heads=4, attn_implementation="eager")
    module = transformers.LlamaForCausalLM(config)
    return token_net(module, first_output_without_cache, config.vocab_size, ["logits"])


def gpt2():
    config = transformers.GPT2Config(attn_implementation="eager", use_cache=False)
    module = transformers.GPT2LMHeadModel(config)
    return token_net(module, first_output_without_cache, config.vocab_size, ["logits"])


def gpt2_with_past():
    config = transformers.GPT2Config(attn_implementation="eager")
    layers = config.n_layer

    def call(m, ids, mask, *past):
        cache = DynamicCache(tuple((past[2 * n], past[2 * n + 1]) for n in range(layers)))
        result = m(input_ids=ids, attention_mask=mask, past_key_values=cache, use_cache=True)
        return (result.logits, *(t for layer in result.past_key_values.layers for t in (layer.keys, layer.values)))

    past = [torch.randn(BATCH, HEADS, PAST, HEAD_SIZE) for _ in range(2 * layers)]
    names = ["past.%d.%s" % (n // 2, "kv"[n % 2]) for n in range(2 * layers)]
    dynamic = dict({name: {0: "batch", 2: "past"} for name in names},
                   input_ids=TOKENS, attention_mask={0: "batch", 1: "total"})
    ids = torch.randint(0, config.vocab_size, (BATCH, 1))
    example = (ids, torch.ones(BATCH, PAST + 1, dtype=torch.long), *past)
    module = Wrap(transformers.GPT2LMHeadModel(config).eval(), call)
    return Net(module, example, ["input_ids", "attention_mask"] + names,
               ["logits"] + [name.replace("past", "present") for name in names], dynamic)


zoo = torchvision.models
NETS = {
    "mobilenet_v2": convolutional(zoo.mobilenet_v2),
    "efficientnet_b0": convolutional(zoo.efficientnet_b0),
    "yolov8n_like": yolo,
    "resnet50": convolutional(zoo.resnet50),
    "llama_tiny": llama,
    "t5_small_enc": t5_encoder,
    "swin_t": vision_transformer(zoo.swin_t),
    "convnext_tiny": vision_transformer(zoo.convnext_tiny),
    "distilbert": distilbert,
    "vit_b_16": vision_transformer(zoo.vit_b_16),
    "bert_base": lambda: bert("eager"),
    "bert_base_sdpa": lambda: bert("sdpa"),
    "gpt2": gpt2,
    "gpt2_past": gpt2_with_past,
}
